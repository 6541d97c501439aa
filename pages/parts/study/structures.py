"""How each item is laid out: built-in structures, own templates, and which get a position control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.structures import OWN, STRUCTURES, check_template
from core.study.words import structure_words
from pages.parts.study.filled import ALL, KEEP, get, key, ordered, put
from pages.parts.text import escape

ABOUT_CONTROL = (
    "The same prompt once more, with neutral words of equal length where the instruction stands. What changes between "
    "the two is due to the instruction's words; what stays is due to its place."
)
SAMPLE = "{context}\n\n{examples}\n\n{question}\n\nRemember: {instruction}"
PLACES = "{instruction} {context} {examples} {question}"


def structures() -> None:
    """Draws the section; what is picked is read from the form's fields."""
    templates: dict[str, str] = get("templates")
    names = [*STRUCTURES, *[OWN + name for name in templates]]
    put("structures", [n for n in get("structures") or () if n in names])
    st.pills(
        "Structures",
        names,
        selection_mode="multi",
        key=key("structures"),
        format_func=structure_words,
        label_visibility="collapsed",
        **KEEP,
    )
    for name in picked():
        st.caption(f"**{escape(structure_words(name))}** · {escape(_about(name))}")
    _controls(picked())
    with st.container(horizontal=True):
        with st.popover("What are these?", icon=":material/help:"):
            for name in STRUCTURES:
                st.markdown(f"**{structure_words(name)}**: {escape(_about(name))}")
            st.markdown(f"**Position control**: {ABOUT_CONTROL}")
        with st.popover("Own template", icon=":material/edit_note:", help=f"A layout of your own with {PLACES}"):
            _own(templates)


def picked() -> tuple[str, ...]:
    """The structures in the order in which they are offered."""
    return ordered("structures", [*STRUCTURES, *[OWN + name for name in get("templates")]])


def _about(name: str) -> str:
    return STRUCTURES[name].about if name in STRUCTURES else "Your own template."


def _controls(names: Sequence[str]) -> None:
    """Which structures get a position control, and for how many items."""
    put("controls", [n for n in get("controls") or () if n in names])
    if not names:
        return
    st.pills(
        "Position control for",
        names,
        selection_mode="multi",
        key=key("controls"),
        format_func=structure_words,
        help=ABOUT_CONTROL,
        **KEEP,
    )
    if get("controls"):
        about = "Fewer controls make a shorter study."
        label = "Controls: items of each task (0: all)"
        st.number_input(label, 0, 10_000, key=key("control_items"), help=about, **KEEP)


def control_items() -> int | None:
    """As a plan takes it."""
    return None if get("control_items") == ALL else int(get("control_items"))


def _own(templates: dict[str, str]) -> None:
    """Write, change and remove templates."""
    state: Any = st.session_state
    for name in templates:
        left, right = st.columns([4, 1], vertical_alignment="center")
        icon = ":material/edit:"
        left.button(escape(name), key=key(f"edit_{name}"), on_click=_edit, args=(name,), type="tertiary", icon=icon)
        right.button("", key=key(f"drop_{name}"), on_click=_drop, args=(name,), icon=":material/close:", help="Remove")
    state.setdefault(key("template_name"), "")
    state.setdefault(key("template_text"), SAMPLE)
    st.text_input("Name", key=key("template_name"), max_chars=40, placeholder="e.g. Instruction in the middle", **KEEP)
    about = f"Put {PLACES} where they belong. A paragraph whose placeholders are all empty is left out."
    st.text_area("Template", key=key("template_text"), height=170, help=about, **KEEP)
    st.caption(escape(about))
    st.button("Use this template", key=key("template_add"), on_click=_add, type="primary")
    if state.get(key("template_problem")):
        st.error(escape(state[key("template_problem")]))


def _edit(name: str) -> None:
    put("template_name", name)
    put("template_text", get("templates")[name])


def _drop(name: str) -> None:
    put("templates", {n: t for n, t in get("templates").items() if n != name})
    for field in ("structures", "controls"):
        put(field, [n for n in get(field) or () if n != OWN + name])


def _add() -> None:
    """A new template is picked at once; one of the same name is replaced."""
    name, text = get("template_name").strip(), get("template_text")
    try:
        check_template(text)
    except HeedError as error:
        put("template_problem", str(error))
        return
    if not name:
        put("template_problem", "The template has no name: give it one, so that it can be told from the others.")
        return
    put("template_problem", "")
    put("templates", {**get("templates"), name: text})
    put("structures", [*dict.fromkeys([*(get("structures") or ()), OWN + name])])
