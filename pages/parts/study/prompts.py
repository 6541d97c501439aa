"""Three prompts as they will be asked, with every part named, before anything starts."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.records import Item, Segment
from core.study.cells import laid
from core.study.plan import Plan
from core.study.structures import OWN, Laid, possible
from core.study.words import structure_words, task_words
from pages.parts.study.filled import get, key, put
from pages.parts.text import escape

SHOWN = 3
FILLER = "[neutral words, as long as the instruction]"
COLOURS = {"instruction": "blue", "context": "green", "question": "orange", "example": "violet"}
ROLES = {"system": "System message", "user": "User", "assistant": "Assistant"}


def prompts(plan: Plan) -> None:
    """An item a structure; position controls where there is room."""
    items = plan.all_items()
    forms = _forms(plan)
    left, right = st.columns([3, 1.4], vertical_alignment="center")
    left.markdown("**Prompts as they will be asked**")
    if len(items) > 1:
        right.button("Other items", key=key("other"), on_click=_next, icon=":material/refresh:", type="tertiary")
    for number, (name, control) in enumerate(forms):
        item = _fitting(plan, items, name, control, int(get("prompt")) + number)
        if item is None:
            st.caption(f"**{escape(structure_words(name))}**: no item fits this structure.")
            continue
        try:
            form = laid(plan, item, name, FILLER if control else None)
        except HeedError as error:
            st.caption(escape(str(error)))
            continue
        with st.container(border=True, gap="xsmall"):
            kind = " · position control" if control else ""
            st.caption(f"**{escape(structure_words(name))}**{kind} · {escape(task_words(item.task))} {escape(item.id)}")
            _draw(form)


def _next() -> None:
    put("prompt", int(get("prompt")) + 1)


def _forms(plan: Plan) -> list[tuple[str, bool]]:
    """Up to three (structure, control): own templates first, then structures, then controls."""
    own = [name for name in plan.structures if name.startswith(OWN)]
    names = [*own, *[name for name in plan.structures if name not in own]]
    return ([(name, False) for name in names] + [(name, True) for name in plan.controls])[:SHOWN]


def _fitting(plan: Plan, items: tuple[Item, ...], name: str, control: bool, start: int) -> Item | None:
    """The next item that can be laid out so; of another task than its neighbours where there are several."""
    tasks = list(dict.fromkeys(i.task for i in items))
    turn = start % len(tasks)
    ordered = [i for t in tasks[turn:] + tasks[:turn] for i in _turned([i for i in items if i.task == t], start)]
    for item in ordered:
        fits = not possible(item, name, plan.templates, plan.examples_of(item.task))
        if fits and (not control or "instruction" in item.segments):
            return item
    return None


def _turned(items: list[Item], start: int) -> list[Item]:
    at = start % len(items) if items else 0
    return items[at:] + items[:at]


def _draw(form: Laid) -> None:
    """Every message, its parts under their names."""
    for number, message in enumerate(form.messages):
        if len(form.messages) > 1 or message.role != "user":
            st.caption(ROLES.get(message.role, message.role))
        parts = [s for s in form.segments if s.message == number and not s.name.startswith("check ")]
        for name, text in _pieces(message.content, parts):
            if name:
                st.markdown(f":{COLOURS.get(name, 'gray')}-badge[{escape(name)}]")
            st.text(text.strip("\n"))


def _pieces(text: str, parts: list[Segment]) -> list[tuple[str, str]]:
    """(name of the part or "", its text) in reading order; white space between parts is left out."""
    found, at = [], 0
    for part in sorted(parts, key=lambda s: s.start):
        found += [("", text[at : part.start]), (part.name, text[part.start : part.end])]
        at = part.end
    found.append(("", text[at:]))
    return [(name, piece) for name, piece in found if piece.strip()]
