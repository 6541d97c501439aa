"""What was asked: the size of the study, the gate, what was cut off or failed, the findings in short."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.findings.counting import Counted, counted
from core.findings.figures import cells
from core.findings.found import name_of
from core.findings.opened import Opened
from core.study.words import column_words
from pages.parts.findings.figure import kept, show
from pages.parts.text import escape

FIRST = 5
"""Sentences that stand open: the size of the study and its outcomes come first."""


def asked(opened: Opened, found: Any) -> None:
    """Draws the section; ``found`` is None while the findings are computed."""
    st.header("What was asked, and how many", anchor=False, divider="gray")
    count = counted(opened.runs)
    _numbers(count)
    st.caption("  \n".join(f":material/info: {escape(line)}" for line in (*count.sentences, _named(opened))))
    if found is None:
        return
    if found.sentences:
        with st.container(border=True, key="findings_short"):
            st.markdown("**In short**")
            st.markdown("\n".join(f"- {escape(line)}" for line in found.sentences[:FIRST]))
            if len(found.sentences) > FIRST + 1:
                with st.expander(f"{len(found.sentences) - FIRST - 1} more findings in words", icon=":material/notes:"):
                    st.markdown("\n".join(f"- {escape(line)}" for line in found.sentences[FIRST:-1]))
            st.caption(escape(found.sentences[-1]))
    if len(found.cells):
        with st.expander("Answers that were cut off, cell by cell", icon=":material/content_cut:"):
            show(kept(name_of(opened), ("cells",), lambda: cells(found.cells)), "findings_cells")


def _named(opened: Opened) -> str:
    """The primary pairs, which were named before the first answer was seen."""
    if opened.plan is None or not opened.plan.primary:
        return "No pair was named before Start: all correlations are exploratory."
    pairs = "; ".join(f"{column_words(f)} with {column_words(m)}" for f, m in opened.plan.primary)
    return f"Named before Start: {pairs}. Everything else is exploratory."


def _numbers(count: Counted) -> None:
    with st.container(horizontal=True, key="findings_numbers"):
        for label, value, about in count.numbers:
            st.metric(label, value, help=about, width="content")
