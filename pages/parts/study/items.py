"""What is asked: built-in tasks, own items of a file, or both. Says in a sentence what is still missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from core.records import Item
from core.study.items import TASKS, Example, suite
from core.study.words import task_words
from pages.parts.study import upload
from pages.parts.study.filled import ALL, BOTH, BUILT_IN, KEEP, OWN, SOURCES, get, key, ordered

ABOUT_TASKS = "Written for Heed, with named parts, and with a right answer or a rule that can be verified."


@dataclass(frozen=True)
class Asked:
    """Items as a plan takes them."""

    suites: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    per_task: int | None = None
    examples: dict[str, tuple[Example, ...]] | None = None
    problem: str = ""
    """Why these cannot be asked yet, in a sentence."""


def items() -> Asked:
    """Draws the section."""
    st.segmented_control(
        "Items",
        list(SOURCES),
        key=key("source"),
        required=True,
        format_func=lambda k: SOURCES[k],
        label_visibility="collapsed",
        **KEEP,
    )
    source = get("source")
    built = _built_in() if source in (BUILT_IN, BOTH) else Asked()
    own = upload.own_items() if source in (OWN, BOTH) else upload.Own()
    problem = built.problem or own.problem
    if source == BOTH and built.per_task is not None:
        frozen = [i for task in built.suites for i in suite(task)[: built.per_task]]
        return Asked((), (*frozen, *own.items), None, own.examples, problem)
    return replace(built, items=own.items, examples=own.examples, problem=problem)


def _built_in() -> Asked:
    st.pills(
        "Tasks",
        TASKS,
        selection_mode="multi",
        key=key("tasks"),
        format_func=task_words,
        help=ABOUT_TASKS,
        **KEEP,
    )
    tasks = ordered("tasks", TASKS)
    have = max((len(suite(t)) for t in tasks), default=1)
    left, right = st.columns([1.3, 2], vertical_alignment="bottom")
    left.number_input("Items of each task (0: all)", 0, 10_000, key=key("per_task"), **KEEP)
    limit = get("per_task")
    taken = sum(min(len(suite(t)), limit or have) for t in tasks)
    every = sum(len(suite(t)) for t in tasks)
    right.caption(f"{taken:,} of {every:,} items" if limit != ALL else f"All {every:,} items")
    problem = "" if tasks else "No task is picked: pick at least one, or use items of your own."
    return Asked(suites=tasks, per_task=limit or None, problem=problem)
