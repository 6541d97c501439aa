"""Draws three of the plan's prompts with their segments named, before the study starts."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.records import Segment
from core.study.column_labels import structure_label, task_label
from core.study.plan import Plan
from core.study.plan_cells import fitting_item, lay_out_item
from core.study.prompt_structures import OWN_PREFIX, LaidOutItem
from pages.parts.markdown_escape import escape_markdown
from pages.parts.study.study_form import field_key, get_field, put_field

SHOWN_PROMPTS = 3
FILLER = "[neutral words, as long as the instruction]"
COLOURS = {"instruction": "blue", "context": "green", "question": "orange", "example": "violet"}
ROLE_NAMES = {"system": "System message", "user": "User", "assistant": "Assistant"}


def prompt_preview(plan: Plan) -> None:
    """Draws one item for each structure, then position controls where there is room."""
    items = plan.all_items()
    forms = _forms(plan)
    left, right = st.columns([3, 1.4], vertical_alignment="center")
    left.markdown("**Prompts as they will be asked**")
    if len(items) > 1:
        right.button("Other items", key=field_key("other"), on_click=_next, icon=":material/refresh:", type="tertiary")
    for number, (name, control) in enumerate(forms):
        item = fitting_item(plan, items, name, control, int(get_field("prompt")) + number)
        if item is None:
            st.caption(f"**{escape_markdown(structure_label(name))}**: no item fits this structure.")
            continue
        try:
            form = lay_out_item(plan, item, name, FILLER if control else None)
        except HeedError as error:
            st.caption(escape_markdown(str(error)))
            continue
        with st.container(border=True, gap="xsmall"):
            kind = " · position control" if control else ""
            where = f"{escape_markdown(task_label(item.task))} {escape_markdown(item.id)}"
            st.caption(f"**{escape_markdown(structure_label(name))}**{kind} · {where}")
            _draw(form)


def _next() -> None:
    put_field("prompt", int(get_field("prompt")) + 1)


def _forms(plan: Plan) -> list[tuple[str, bool]]:
    """Up to three (structure, control): own templates first, then structures, then controls."""
    own = [name for name in plan.structures if name.startswith(OWN_PREFIX)]
    names = [*own, *[name for name in plan.structures if name not in own]]
    return ([(name, False) for name in names] + [(name, True) for name in plan.controls])[:SHOWN_PROMPTS]


def _draw(form: LaidOutItem) -> None:
    """Draws every message, each segment under its name."""
    for number, message in enumerate(form.messages):
        if len(form.messages) > 1 or message.role != "user":
            st.caption(ROLE_NAMES.get(message.role, message.role))
        parts = [s for s in form.segments if s.message == number and not s.name.startswith("check ")]
        for name, text in _pieces(message.content, parts):
            if name:
                st.markdown(f":{COLOURS.get(name, 'gray')}-badge[{escape_markdown(name)}]")
            st.text(text.strip("\n"))


def _pieces(text: str, parts: list[Segment]) -> list[tuple[str, str]]:
    """(name of the part or "", its text) in reading order; white space between parts is left out."""
    found, at = [], 0
    for part in sorted(parts, key=lambda s: s.start):
        found += [("", text[at : part.start]), (part.name, text[part.start : part.end])]
        at = part.end
    found.append(("", text[at:]))
    return [(name, piece) for name, piece in found if piece.strip()]
