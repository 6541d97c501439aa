"""Draws the choice of prompt structures: built-in ones, own templates, and which get a position control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.records import LADDER, factor_text
from core.study.column_labels import structure_label
from core.study.item_files import ITEM_PARTS
from core.study.prompt_structures import OWN_PREFIX, STRUCTURES, check_template
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study.study_form import ALL_ITEMS, KEPT_FIELDS, field_key, get_field, ordered_choice, put_field

ABOUT_CONTROL = (
    "The same prompt once more, with neutral words of equal length where the instruction stands. What changes between "
    "the two is due to the instruction's words; what stays is due to its place."
)
ABOUT_STEERING = (
    "The same prompt again, with one part read more or less: the odds of reading it are multiplied by the factor. It "
    "shows what changes when the reading is changed and all else stays. Pick a second part as the control: it gets the "
    "same factors."
)
SAMPLE = "{context}\n\n{examples}\n\n{question}\n\nRemember: {instruction}"
PLAN_FACTORS = (0.0, *(f for f in LADDER if f != 1), 16.0)
PLACES = "{instruction} {context} {examples} {question}"


def structures_editor() -> None:
    """Draws the section; the choice goes into the form's fields."""
    templates: dict[str, str] = get_field("templates")
    names = [*STRUCTURES, *[OWN_PREFIX + name for name in templates]]
    put_field("structures", [n for n in get_field("structures") or () if n in names])
    st.pills(
        "Structures",
        names,
        selection_mode="multi",
        key=field_key("structures"),
        format_func=_shown,
        label_visibility="collapsed",
        **KEPT_FIELDS,
    )
    for name in picked_structures():
        st.caption(f"**{escape_markdown(structure_label(name))}** · {escape_markdown(_about(name))}")
    _controls(picked_structures())
    _steering()
    with st.container(horizontal=True):
        with st.popover("What are these?", icon=":material/help:"):
            for name in STRUCTURES:
                st.markdown(f"**{structure_label(name)}**: {escape_markdown(_about(name))}")
            st.markdown(f"**Position control**: {ABOUT_CONTROL}")
            st.markdown(f"**Turn reading up or down**: {ABOUT_STEERING}")
        with st.popover("Own template", icon=":material/edit_note:", help=f"A layout of your own with {PLACES}"):
            _own(templates)


def picked_structures() -> tuple[str, ...]:
    """The picked structures in the order in which they are offered."""
    return ordered_choice("structures", [*STRUCTURES, *[OWN_PREFIX + name for name in get_field("templates")]])


def _shown(name: str) -> str:
    return escape_markdown(structure_label(name))


def _about(name: str) -> str:
    return STRUCTURES[name].about if name in STRUCTURES else "Your own template."


def _controls(names: Sequence[str]) -> None:
    """Draws which structures get a position control, and for how many items."""
    put_field("controls", [n for n in get_field("controls") or () if n in names])
    if not names:
        return
    st.pills(
        "Position control for",
        names,
        selection_mode="multi",
        key=field_key("controls"),
        format_func=_shown,
        help=ABOUT_CONTROL,
        **KEPT_FIELDS,
    )
    if get_field("controls"):
        about = "Fewer controls make a shorter study."
        label = "Controls: items of each task (0: all)"
        st.number_input(label, 0, 10_000, key=field_key("control_items"), help=about, **KEPT_FIELDS)


def _steering() -> None:
    """Draws which parts are read more or less, and by which factors."""
    st.pills(
        "Turn reading up or down",
        ITEM_PARTS,
        selection_mode="multi",
        key=field_key("steered"),
        format_func=str.capitalize,
        help=ABOUT_STEERING,
        **KEPT_FIELDS,
    )
    if not get_field("steered"):
        return
    options = sorted({*PLAN_FACTORS, *(get_field("factors") or ())})
    st.pills(
        "Factors",
        options,
        selection_mode="multi",
        key=field_key("factors"),
        format_func=lambda factor: f"× {factor_text(factor)}",
        help="The factor 1 is the plain prompt, which is always run.",
        **KEPT_FIELDS,
    )
    names = picked_structures()
    if names:
        first = "instruction_first" if "instruction_first" in names else names[0]
        what = " and ".join(get_field("steered"))
        st.caption(f"Read more or less: {what}, in the structure {escape_markdown(structure_label(first))}.")


def picked_steering() -> dict[str, tuple[float, ...]]:
    """What is steered, as a plan takes it: an opened plan keeps the factors that it gave to each part."""
    parts, factors = list(get_field("steered") or ()), tuple(sorted(get_field("factors") or ()))
    opened = st.session_state.get(field_key("opened_steering")) or {}
    if set(opened) == set(parts) and {f for some in opened.values() for f in some} == set(factors):
        return dict(opened)
    return {part: factors for part in ITEM_PARTS if part in parts}


def control_items() -> int | None:
    """How many items get position controls, as a plan takes it (None: all)."""
    return None if get_field("control_items") == ALL_ITEMS else int(get_field("control_items"))


def _own(templates: dict[str, str]) -> None:
    """Draws the form to write, change and remove templates."""
    state: Any = st.session_state
    for name in templates:
        left, right = st.columns([4, 1], vertical_alignment="center")
        icon = ":material/edit:"
        left.button(
            escape_markdown(name),
            key=field_key(f"edit_{name}"),
            on_click=_edit,
            args=(name,),
            type="tertiary",
            icon=icon,
        )
        right.button(
            "", key=field_key(f"drop_{name}"), on_click=_drop, args=(name,), icon=":material/close:", help="Remove"
        )
    state.setdefault(field_key("template_name"), "")
    state.setdefault(field_key("template_text"), SAMPLE)
    st.text_input(
        "Name",
        key=field_key("template_name"),
        max_chars=40,
        placeholder="e.g. Instruction in the middle",
        **KEPT_FIELDS,
    )
    about = f"Put {PLACES} where they belong. A paragraph whose placeholders are all empty is left out."
    st.text_area("Template", key=field_key("template_text"), height=170, help=about, **KEPT_FIELDS)
    st.caption(escape_markdown(about))
    st.button("Use this template", key=field_key("template_add"), on_click=_add, type="primary")
    if state.get(field_key("template_problem")):
        st.error(escape_markdown(state[field_key("template_problem")]))


def _edit(name: str) -> None:
    put_field("template_name", name)
    put_field("template_text", get_field("templates")[name])


def _drop(name: str) -> None:
    put_field("templates", {n: t for n, t in get_field("templates").items() if n != name})
    for field in ("structures", "controls"):
        put_field(field, [n for n in get_field(field) or () if n != OWN_PREFIX + name])


def _add() -> None:
    """Adds the typed template and picks it; one of the same name is replaced."""
    name, text = get_field("template_name").strip(), get_field("template_text")
    try:
        check_template(text)
    except HeedError as error:
        put_field("template_problem", str(error))
        return
    if not name:
        put_field("template_problem", "The template has no name: give it one, so that it can be told from the others.")
        return
    put_field("template_problem", "")
    put_field("templates", {**get_field("templates"), name: text})
    put_field("structures", [*dict.fromkeys([*(get_field("structures") or ()), OWN_PREFIX + name])])
