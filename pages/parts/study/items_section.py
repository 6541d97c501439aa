"""Draws the choice of items: built-in tasks, own items of a file, or both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from core.records import Item
from core.study.column_labels import task_label
from core.study.item_files import TASKS, Example, suite
from pages.parts.study import item_upload
from pages.parts.study.study_form import (
    ALL_ITEMS,
    BOTH,
    BUILT_IN,
    KEPT_FIELDS,
    OWN_ITEMS,
    SOURCES,
    field_key,
    get_field,
    ordered_choice,
)

ABOUT_TASKS = "Written for Heed, with named parts, and with a right answer or a rule that can be verified."


@dataclass(frozen=True)
class ItemChoice:
    """The chosen items, as fields of a plan."""

    suites: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    per_task: int | None = None
    examples: dict[str, tuple[Example, ...]] | None = None
    problem: str = ""
    """One sentence on what is still missing; else empty."""


def items_section() -> ItemChoice:
    """Draws the section and returns the choice."""
    st.segmented_control(
        "Items",
        list(SOURCES),
        key=field_key("source"),
        required=True,
        format_func=lambda k: SOURCES[k],
        label_visibility="collapsed",
        **KEPT_FIELDS,
    )
    source = get_field("source")
    built = _built_in() if source in (BUILT_IN, BOTH) else ItemChoice()
    own = item_upload.own_items() if source in (OWN_ITEMS, BOTH) else item_upload.OwnItems()
    problem = built.problem or own.problem
    if source == BOTH and built.per_task is not None:
        frozen = [i for task in built.suites for i in suite(task)[: built.per_task]]
        return ItemChoice((), (*frozen, *own.items), None, own.examples, problem)
    return replace(built, items=own.items, examples=own.examples, problem=problem)


def _built_in() -> ItemChoice:
    st.pills(
        "Tasks",
        TASKS,
        selection_mode="multi",
        key=field_key("tasks"),
        format_func=task_label,
        help=ABOUT_TASKS,
        **KEPT_FIELDS,
    )
    tasks = ordered_choice("tasks", TASKS)
    have = max((len(suite(t)) for t in tasks), default=1)
    left, right = st.columns([1.3, 2], vertical_alignment="bottom")
    left.number_input("Items of each task (0: all)", 0, 10_000, key=field_key("per_task"), **KEPT_FIELDS)
    limit = get_field("per_task")
    taken = sum(min(len(suite(t)), limit or have) for t in tasks)
    every = sum(len(suite(t)) for t in tasks)
    right.caption(f"{taken:,} of {every:,} items" if limit != ALL_ITEMS else f"All {every:,} items")
    problem = "" if tasks else "No task is picked: pick at least one, or use items of your own."
    return ItemChoice(suites=tasks, per_task=limit or None, problem=problem)
