"""Importance against quality: the grid of correlations, then one pair with its forest and every run as a point.

Two questions that are never mixed, behind one switch: between prompts, and within a prompt.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.study_grid import SELECTION
from core.charts.study_scatter import PICKED
from core.findings.figures import ABOUT_ESTIMANDS, ESTIMANDS, correlations, forest_of, points
from core.findings.found import name_of
from core.findings.opened import Opened
from core.study.words import GROUPS, column_about, column_words, features_of
from pages.parts.findings import pairs
from pages.parts.findings.address import key
from pages.parts.findings.figure import kept, show
from pages.parts.findings.run import picked_run
from pages.parts.text import escape

KINDS = {"outcome": "Outcomes", "other": "Proxies"}
COLOURS = {"task": "Task", "model": "Model", "structure": "Structure"}
Pair = tuple[str, str, str]
"""(estimand, feature, metric)"""


def against(opened: Opened, found: Any) -> Pair:
    """Draws the section; the pair that is shown."""
    st.header("Importance against quality", anchor=False, divider="gray")
    state = st.session_state
    if state.get(key("estimand")) not in ESTIMANDS:
        state[key("estimand")] = "between"
    estimand = st.segmented_control(
        "Question",
        list(ESTIMANDS),
        required=True,
        key=key("estimand"),
        format_func=lambda e: ESTIMANDS[e],
        label_visibility="collapsed",
        persist_state="session",
    )
    st.markdown(ABOUT_ESTIMANDS[str(estimand)])
    table = None if found is None else getattr(found, f"correlations_{estimand}")
    features, metrics = pairs.offered(opened.runs)
    if not features or not metrics:
        st.info("This table needs at least one feature and one metric with values.")
        return str(estimand), "", ""
    pairs.settle(table, features, metrics, opened.plan)
    if table is not None and len(table):
        _grid(name_of(opened), table, str(estimand), features, metrics)
    _pair(opened, found, str(estimand), features, metrics)
    return str(estimand), state[key("feature")], state[key("metric")]


def _grid(name: str, table: Any, estimand: str, features: list[str], metrics: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = _switch("Features", {g: w for g, w in GROUPS.items() if features_of(features, g)}, "findings_group")
        kind = _switch("Metrics", {k: w for k, w in KINDS.items() if pairs.of_kind(metrics, k)}, "findings_metrics")
    rows, columns = pairs.shown(table, features_of(features, group), pairs.of_kind(metrics, kind))
    state = st.session_state
    pair = state[key("feature")], state[key("metric")]
    asked = ("grid", estimand, group, kind, *pair)
    drawn = kept(name, asked, lambda: correlations(table, rows, columns, estimand, pair, select=True))
    chart = f"findings_grid_{estimand}_{group}_{kind}"

    def clicked() -> None:
        hit = (state[chart].get("selection") or {}).get(SELECTION) or []
        if hit:
            state[key("feature")], state[key("metric")] = hit[0]["feature"], hit[0]["metric"]
            state[key("cell")] = ""

    show(drawn, chart, on_select=clicked, selection_mode=SELECTION)
    pairs.table(table, rows, columns, estimand)


def _switch(label: str, words: dict[str, str], name: str) -> str:
    state = st.session_state
    if state.get(name) not in words:
        state[name] = next(iter(words))
    return str(
        st.segmented_control(
            label, list(words), key=name, required=True, format_func=lambda k: words[k], persist_state="session"
        )
    )


def _pair(opened: Opened, found: Any, estimand: str, features: list[str], metrics: list[str]) -> None:
    """The picked pair: said, its forest, every run."""
    state = st.session_state
    st.subheader("One pair", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        feature = _pick("Feature", features, key("feature"))
        metric = _pick("Metric", metrics, key("metric"))
        color = _switch("Colour", COLOURS, "findings_color")
    own = pairs.row(found, estimand, feature, metric)
    with st.container(key="said_findings"):
        st.text(pairs.sentence(own, feature, metric, estimand))
    left, right = st.columns(2, gap="medium")
    name = name_of(opened)
    runs = opened.runs[~opened.runs["control"]]
    with left:
        cell = str(state.get(key("cell")) or "")
        if runs[[feature, metric]].dropna().empty:
            st.info("No run has both values.")
        else:
            asked = ("points", feature, metric, color, estimand, cell)
            look: dict[str, Any] = {"color": color, "estimand": estimand, "picked": cell, "select": True}
            drawn = kept(name, asked, lambda: points(runs, feature, metric, **look))
            _scatter(drawn, f"findings_scatter_{feature}_{metric}_{estimand}")
    with right:
        if found is None:
            st.info("The forest plot comes with the findings.")
        else:
            table = pairs.forest(opened, found, estimand, feature, metric)
            if table is not None:
                which = ("forest", feature, metric, estimand)
                show(kept(name, which, lambda: forest_of(table, feature, metric, estimand)), "findings_forest")
    picked_run(opened, runs, feature, metric, own)


def _scatter(drawn: Any, chart: str) -> None:
    state = st.session_state

    def clicked() -> None:
        hit = (state[chart].get("selection") or {}).get(PICKED) or []
        if hit:
            state[key("cell")] = hit[0]["cell"]

    show(drawn, chart, on_select=clicked, selection_mode=PICKED)
    st.caption("Click a point to read the run and to open it.")


def _pick(label: str, names: list[str], name: str) -> str:
    about = column_about(st.session_state[name])
    found = st.selectbox(
        label, names, key=name, format_func=column_words, help=escape(about) or None, persist_state="session"
    )
    return str(found)
