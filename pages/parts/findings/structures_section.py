"""Draws quality by structure, task and model beside attention or knock-out effects, and one table of all."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.study.findings.cache import findings_name
from core.study.findings.figures import ABOUT_QUESTIONS, QUESTIONS, structure_figure
from core.study.findings.overview import first_shown, overview_table
from core.study.findings.source import OpenedStudy
from pages.parts.findings.findings_figure import kept_figure, show_figure
from pages.parts.markdown_escape import escape_markdown

VALUE_KINDS = {"attention": "Attention", "effects": "Knock-out"}
TALLEST_OVERVIEW = 480


def structures_section(found: Any, opened: OpenedStudy) -> None:
    """Draws the section "Quality by structure, task and model"."""
    st.header("Quality by structure, task and model", anchor=False, divider="gray")
    if not len(found.quality):
        st.info("This table has no metric of quality for these runs.")
        return
    ask = st.segmented_control(
        "Show",
        list(QUESTIONS),
        default="mean",
        required=True,
        key="findings_ask",
        format_func=lambda a: QUESTIONS[a],
        help="\n\n".join(f"**{QUESTIONS[a]}**: {ABOUT_QUESTIONS[a]}" for a in QUESTIONS),
        persist_state="session",
    )
    beside_it = _beside(found)
    left, right = st.columns(2, gap="medium")
    with left:
        value = _value(found.quality, "quality", "Quality")
        _chart(findings_name(opened), found.quality, value, ask, "quality")
    tables = {"Quality": (found.quality, value)}
    with right:
        tables |= _importance(found, opened, ask, beside_it)
    _table(tables, ask)


def _beside(found: Any) -> list[str]:
    return [k for k in VALUE_KINDS if len(getattr(found, k))]


def _importance(found: Any, opened: OpenedStudy, ask: Any, kinds: list[str]) -> dict[str, Any]:
    """Draws the chart of attention or knock-outs; returns the tables to be shown beside quality."""
    if not kinds:
        st.info("This table has no feature of importance.")
        return {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = kinds[0]
        if len(kinds) > 1:
            kind = st.segmented_control(
                "Importance",
                kinds,
                default=kinds[0],
                required=True,
                key="findings_kind",
                format_func=lambda k: VALUE_KINDS[k],
                persist_state="session",
            )
        values = {k: _value(getattr(found, k), k, VALUE_KINDS[k], drawn=k == kind) for k in kinds}
    _chart(findings_name(opened), getattr(found, kind), values[kind], ask, "importance")
    return {VALUE_KINDS[k]: (getattr(found, k), values[k]) for k in kinds}


def _value(table: pd.DataFrame, kind: str, label: str, drawn: bool = True) -> str:
    """Draws the select box and returns its value; with ``drawn`` False returns the last value without drawing."""
    labels = dict(zip(table["value"], table["label"], strict=True))
    state, key = st.session_state, f"findings_value_{kind}"
    if state.get(key) not in labels:
        state[key] = first_shown(labels)[0]
    if drawn:
        st.selectbox(
            label,
            list(labels),
            key=key,
            format_func=lambda v: labels[v],
            persist_state="session",
        )
    return str(state[key])


def _chart(name: str, table: pd.DataFrame, value: str, ask: Any, key: str) -> None:
    own = table[table["value"] == value]
    base = own.loc[own["baseline"].astype(bool), "structure"]
    if ask == "cut" and not own.get("cut_difference", pd.Series(dtype=float)).notna().any():
        ask = "difference"  # no answer was cut off, or what was cut off can be told all the same
    column = {"mean": "mean", "difference": "difference", "cut": "cut_difference", "net": "net_difference"}[ask]
    if not own[column].notna().any():
        why = "no structure was run with a position control" if ask == "net" else "there is only one structure"
        if ask == "mean":
            why = "it is undefined for all of these runs"
        st.info(f"Nothing to draw: {why}.")
        return
    first = str(base.iloc[0]) if len(base) else ""
    show_figure(kept_figure(name, (value, ask), lambda: structure_figure(table, value, ask, first)), f"findings_{key}")


def _table(tables: dict[str, Any], ask: Any) -> None:
    made = overview_table(tables, ask)
    st.dataframe(made, hide_index=True, height=min(TALLEST_OVERVIEW, 38 + 35 * len(made)), key="findings_table")
    what = "beyond its position control" if ask == "net" else "against the baseline structure, prompt by prompt"
    st.caption(
        f"Values and changes with 95 % intervals; changes are {what}. q counts all changes of a table: at most 5 in "
        "100 of those with q up to 0.05 are expected to be false. " + escape_markdown("Empty cells are undefined.")
    )
