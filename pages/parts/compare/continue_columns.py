"""Continues the conversation of every column of Compare, each from its own answer.

Guarded by tests/pages/test_compare_chat.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.parts.compare.columns import current_columns, fresh_column, put_columns, put_question, question
from pages.parts.compare.stored_runs import ColumnRun

ABOUT = "Puts each column's answer below its message, above an empty message for all of them that asks on"
NOT_YET = "Press Compare first: not every column has an answer to what stands in it"


def continue_columns_button(seen: Sequence[ColumnRun]) -> None:
    """Draws the button that makes each column's answer its last message but one, above an empty prompt."""
    if any(s.asked.raw for s in seen):
        return
    ready = all(s.trace is not None and not s.missing for s in seen)
    answers = {s.column.uid: s.trace.answer for s in seen if s.trace is not None}
    pressed = st.button(
        "Continue the conversation", key="compare_continue", icon=":material/forum:", type="tertiary",
        help=ABOUT if ready else NOT_YET, disabled=not ready,
    )  # fmt: skip
    # Not by on_click: its arguments are of the run before, whose columns and texts may not be these any more.
    if pressed and ready:
        _continue(answers)
        st.rerun()


def _continue(answers: dict[int, str]) -> None:
    """Continues each column from its answer; the prompt above from that of the first column that asks it."""
    above, found = question(), current_columns()
    own: dict[str, Any] = {"run": "", "asked": None, "request": None, "open": False}
    put_columns([fresh_column(c, filled=c.filled.continued(answers[c.uid]), **own) for c in found])
    same = [c.uid for c in found if c.filled.prompt == above.filled.prompt] or [found[0].uid]
    put_question(replace(above, filled=above.filled.continued(answers[same[0]])))
