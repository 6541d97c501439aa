"""Draws correlations of importance with quality: a grid, then one pair with scatter plot and forest plot.

A switch chooses between two questions that are never mixed: between prompts, and within a prompt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.charts.study_correlations import SELECTION
from core.charts.study_scatter import RUN_SELECTION, framed_run
from core.study.column_labels import column_description, column_label, feature_groups, features_of, is_binary
from core.study.findings.cache import findings_name
from core.study.findings.figures import ABOUT_ESTIMANDS, ESTIMANDS, correlation_figure, forest_figure, scatter_figure
from core.study.findings.source import OpenedStudy
from pages.parts.findings import pair_choice
from pages.parts.findings.findings_address import state_key
from pages.parts.findings.findings_figure import kept_figure, show_figure
from pages.parts.findings.picked_run import picked_run
from pages.parts.markdown_escape import escape_markdown

METRIC_KINDS = {"outcome": "Outcomes", "other": "Other metrics"}
COLOURS = {"task": "Task", "model": "Model", "structure": "Structure"}
PickedPair = tuple[str, str, str]
"""(estimand, feature, metric)"""


def correlation_section(opened: OpenedStudy, found: Any) -> PickedPair:
    """Draws the section and returns the pair that is shown."""
    st.header("Importance against quality", anchor=False, divider="gray")
    state = st.session_state
    if state.get(state_key("estimand")) not in ESTIMANDS:
        state[state_key("estimand")] = "between"
    estimand = st.segmented_control(
        "Question",
        list(ESTIMANDS),
        required=True,
        key=state_key("estimand"),
        format_func=lambda e: ESTIMANDS[e],
        label_visibility="collapsed",
        persist_state="session",
    )
    st.markdown(ABOUT_ESTIMANDS[str(estimand)])
    table = None if found is None else getattr(found, f"correlations_{estimand}")
    features, metrics = pair_choice.offered_columns(opened.runs)
    if not features or not metrics:
        st.info("This table needs at least one feature and one metric with values.")
        return str(estimand), "", ""
    pair_choice.settle_pair(table, features, metrics, opened.plan)
    if table is not None and len(table):
        _grid(findings_name(opened), table, str(estimand), features, metrics)
    _pair(opened, found, str(estimand), features, metrics)
    return str(estimand), state[state_key("feature")], state[state_key("metric")]


def _grid(name: str, table: Any, estimand: str, features: list[str], metrics: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = _switch("Features", feature_groups(features), "findings_group")
        kind = _switch(
            "Metrics", {k: w for k, w in METRIC_KINDS.items() if pair_choice.of_kind(metrics, k)}, "findings_metrics"
        )
    rows, columns = pair_choice.grid_columns(table, features_of(features, group), pair_choice.of_kind(metrics, kind))
    state = st.session_state
    pair = state[state_key("feature")], state[state_key("metric")]
    asked = ("grid", estimand, group, kind, *pair)
    drawn = kept_figure(name, asked, lambda: correlation_figure(table, rows, columns, estimand, pair, select=True))
    chart = f"findings_grid_{estimand}_{group}_{kind}"

    def clicked() -> None:
        hit = (state[chart].get("selection") or {}).get(SELECTION) or []
        if hit:
            state[state_key("feature")], state[state_key("metric")] = hit[0]["feature"], hit[0]["metric"]
            state[state_key("cell")] = ""

    show_figure(drawn, chart, on_select=clicked, selection_mode=SELECTION)
    pair_choice.grid_table(table, rows, columns, estimand)


def _switch(label: str, words: dict[str, str], name: str) -> str:
    state = st.session_state
    if state.get(name) not in words:
        state[name] = next(iter(words))
    return str(
        st.segmented_control(
            label, list(words), key=name, required=True, format_func=lambda k: words[k], persist_state="session"
        )
    )


def _pair(opened: OpenedStudy, found: Any, estimand: str, features: list[str], metrics: list[str]) -> None:
    """Draws one pair: a sentence, the scatter plot of all runs, the forest plot, the picked run."""
    state = st.session_state
    st.subheader("One pair", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        feature = _pick("Feature", features, state_key("feature"))
        metric = _pick("Metric", metrics, state_key("metric"))
        color = _switch("Colour", COLOURS, "findings_color")
    own = pair_choice.pair_row(found, estimand, feature, metric)
    with st.container(key="said_findings"):
        st.text(pair_choice.pair_text(own, feature, metric, estimand, found is not None))
    left, right = st.columns(2, gap="medium")
    name = findings_name(opened)
    runs = opened.runs[~opened.runs["control"]]
    with left:
        cell = str(state.get(state_key("cell")) or "")
        if runs[[feature, metric]].dropna().empty:
            st.info("No run has both values.")
        else:
            asked = ("points", feature, metric, color, estimand)
            look: dict[str, Any] = {"color": color, "estimand": estimand, "select": True}
            drawn = kept_figure(name, asked, lambda: scatter_figure(runs, feature, metric, **look))
            chart = (
                framed_run(drawn.chart, runs, feature, metric, cell, binary=is_binary(metric)) if cell else drawn.chart
            )
            _scatter(replace(drawn, chart=chart), f"findings_scatter_{feature}_{metric}_{estimand}")
    with right:
        if found is None:
            st.info("How strong it is in each task, model and structure comes with the findings.")
        else:
            table = pair_choice.pair_forest(opened, found, estimand, feature, metric)
            if table is not None:
                which = ("forest", feature, metric, estimand)
                show_figure(
                    kept_figure(name, which, lambda: forest_figure(table, feature, metric, estimand)), "findings_forest"
                )
    picked_run(opened, runs, feature, metric, own)


def _scatter(drawn: Any, chart: str) -> None:
    state = st.session_state

    def clicked() -> None:
        hit = (state[chart].get("selection") or {}).get(RUN_SELECTION) or []
        if hit:
            state[state_key("cell")] = hit[0]["cell"]

    show_figure(drawn, chart, on_select=clicked, selection_mode=RUN_SELECTION)
    st.caption("Click a point to read the run and to open it.")


def _pick(label: str, names: list[str], name: str) -> str:
    about = column_description(st.session_state[name])
    found = st.selectbox(
        label, names, key=name, format_func=column_label, help=escape_markdown(about) or None, persist_state="session"
    )
    return str(found)
