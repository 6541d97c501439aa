"""The fields of the page Study in the session, so that nothing is lost when a widget is not drawn.

``prepare_study_form`` gives every field its first value: a small study of a few minutes, ready to start.
``fill_study_form`` fills the form from a plan. Items of a file or of an opened plan live here too, since
``st.file_uploader`` forgets its file when the page is left. Guarded by tests/pages/test_study.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.importance import default_study_methods
from core.models.catalogue import DEFAULT_MODEL
from core.study.item_files import TASKS, Example
from core.study.plan import Plan

KEPT_FIELDS: dict[str, Any] = {"persist_state": "session"}
BUILT_IN, OWN_ITEMS, BOTH = "built-in", "own", "both"
SOURCES = {BUILT_IN: "Built-in tasks", OWN_ITEMS: "Own items", BOTH: "Both"}
ALL_ITEMS = 0
"""In number boxes that limit items: no limit."""
FIRST_TASKS = ("fact", "classification", "arithmetic")
FORM_DEFAULTS: dict[str, Any] = {
    "name": "First look",
    "source": BUILT_IN,
    "tasks": list(FIRST_TASKS),
    "per_task": 5,
    "structures": ["instruction_first", "instruction_last"],
    "controls": ["instruction_first", "instruction_last"],
    "control_items": ALL_ITEMS,
    "models": [DEFAULT_MODEL],
    "tokens": 32,
    "temperature": 0.0,
    "top_p": 1.0,
    "seeds": "0, 1, 2",
    "effects": True,
    "components": False,
    "steered": [],
    "factors": [0.25, 2.0, 4.0, 8.0],
    "pairs": (),
    "metrics": (),
    "templates": {},
    "prompt": 0,
    "limit": ALL_ITEMS,
    "shots": 0,
}
"""First value of every field but ``methods``; its session key is ``field_key`` of the name."""


@dataclass(frozen=True)
class UploadedFile:
    """An uploaded file, kept in the session."""

    name: str
    data: bytes
    token: str
    """Differs for every upload: keys of widgets and edits that belong to the file carry it."""


def field_key(name: str) -> str:
    """The session key of a field of the form."""
    return f"study_{name}"


def prepare_study_form() -> None:
    """Sets the first values once per session; call before any widget is drawn. Copies lists: no session shares them."""
    first = FORM_DEFAULTS | {"methods": list(default_study_methods())}  # plugins may have added some since the import
    for name, value in first.items():
        st.session_state.setdefault(field_key(name), list(value) if isinstance(value, list) else value)


def get_field(name: str) -> Any:
    """The current value of a field."""
    return st.session_state[field_key(name)]


def put_field(name: str, value: Any) -> None:
    """Sets a field. Call before its widget is drawn, or in a callback."""
    st.session_state[field_key(name)] = value


def ordered_choice(name: str, options: Sequence[str]) -> tuple[str, ...]:
    """The picked ``options``: in the order of an opened plan that picks the same ones, else in their own."""
    picked = set(get_field(name) or ())
    opened = st.session_state.get(field_key(f"opened_{name}")) or ()
    return tuple(opened) if set(opened) == picked else tuple(o for o in options if o in picked)


def fill_study_form(plan: Plan) -> None:
    """Fills the form from ``plan``. Call before widgets are drawn."""
    pairs = tuple(plan.primary)
    values: dict[str, Any] = {
        "name": plan.name,
        "source": BOTH if plan.items and plan.suites else OWN_ITEMS if plan.items else BUILT_IN,
        "tasks": [t for t in TASKS if t in plan.suites] or list(FIRST_TASKS),
        "per_task": plan.per_task or ALL_ITEMS,
        "structures": list(plan.structures),
        "controls": list(plan.controls),
        "control_items": ALL_ITEMS if plan.control_items is None else plan.control_items,
        "models": list(plan.models),
        "tokens": plan.max_new_tokens,
        "temperature": plan.temperature,
        "top_p": plan.top_p,
        "seeds": ", ".join(map(str, plan.seeds)),
        "methods": list(plan.methods),
        "effects": plan.effects,
        "components": plan.components,
        "steered": list(plan.steering),
        "factors": sorted({f for some in plan.steering.values() for f in some}) or FORM_DEFAULTS["factors"],
        "pairs": pairs,
        "metrics": plan.metrics,
        "templates": dict(plan.templates),
        "prompt": 0,
    }
    state: Any = st.session_state
    for name, value in values.items():
        put_field(name, value)
    for number in range(3):
        feature, metric = pairs[number] if number < len(pairs) else (None, None)
        state[field_key(f"feature_{number}")], state[field_key(f"metric_{number}")] = feature, metric
    asked = {item.id for item in plan.all_items()}
    state[field_key("opened_items")] = tuple(item for item in plan.items if item.id in asked)
    state[field_key("opened_tasks")] = plan.suites
    state[field_key("opened_structures")], state[field_key("opened_controls")] = plan.structures, plan.controls
    state[field_key("opened_steering")] = dict(plan.steering)
    state[field_key("opened_examples")] = dict(plan.examples)
    state[field_key("file")] = None


def opened_items() -> Sequence[Any]:
    """Items that came with an opened plan."""
    return st.session_state.get(field_key("opened_items")) or ()


def opened_examples() -> dict[str, tuple[Example, ...]]:
    """Held-out examples that came with an opened plan."""
    return st.session_state.get(field_key("opened_examples")) or {}
