"""Draws the size of the study, whether it suffices for statistics, cut-off answers, and the main findings."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.study.column_labels import column_label
from core.study.findings.cache import findings_name
from core.study.findings.figures import cut_off_figure
from core.study.findings.judge_summary import judge_sentences
from core.study.findings.sample_size import SampleSize, count_sample
from core.study.findings.source import OpenedStudy
from pages.parts.findings.findings_figure import kept_figure, show_figure
from pages.parts.markdown_escape import escape_markdown

FIRST_SENTENCES = 7
"""Sentences shown outside the expander: the size of the study and its outcomes come first."""


def overview_section(opened: OpenedStudy, found: Any) -> None:
    """Draws the section; ``found`` is None while the findings are computed."""
    st.header("What was asked, and how many", anchor=False, divider="gray")
    count = count_sample(opened.runs, opened.steered_count)
    _numbers(count)
    st.caption(
        "  \n".join(
            f":material/info: {escape_markdown(line)}"
            for line in (*count.sentences, _named(opened), *judge_sentences(opened.runs))
        )
    )
    if found is None:
        return
    if found.sentences:
        with st.container(border=True, key="findings_short"):
            st.markdown("**In short**")
            st.markdown("\n".join(f"- {escape_markdown(line)}" for line in found.sentences[:FIRST_SENTENCES]))
            if len(found.sentences) > FIRST_SENTENCES + 1:
                with st.expander(
                    f"{len(found.sentences) - FIRST_SENTENCES - 1} more findings in words", icon=":material/notes:"
                ):
                    st.markdown("\n".join(f"- {escape_markdown(line)}" for line in found.sentences[FIRST_SENTENCES:-1]))
            st.caption(escape_markdown(found.sentences[-1]))
    if len(found.cells):
        with st.expander("Answers that were cut off, cell by cell", icon=":material/content_cut:"):
            show_figure(
                kept_figure(findings_name(opened), ("cells",), lambda: cut_off_figure(found.cells)), "findings_cells"
            )


def _named(opened: OpenedStudy) -> str:
    """A sentence on the primary pairs, which were named before the first answer was seen."""
    if opened.plan is None or not opened.plan.primary:
        return "No pair was named before Start: all correlations are exploratory."
    pairs = "; ".join(f"{column_label(f)} with {column_label(m)}" for f, m in opened.plan.primary)
    return f"Named before Start: {pairs}. Everything else is exploratory."


def _numbers(count: SampleSize) -> None:
    with st.container(horizontal=True, gap="medium", key="findings_numbers"):
        for label, value, about in count.numbers:
            st.metric(label, value, help=escape_markdown(about), width="content")
