"""Pairs of a feature and a metric: the options, the default, the table of all pairs, sentence and forest of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.study.column_labels import column_label, features_of, metrics_of
from core.study.findings.cache import findings_name
from core.study.findings.pair_sentences import forest_of_pair, pair_sentence
from core.study.findings.source import OpenedStudy
from core.study.quality.metrics import outcome_metrics
from pages.parts.findings.findings_address import state_key

FIRST_FEATURES = (("masked_check", "followed"), ("masked_instruction", "followed"), ("lookback", "correct"))
TALLEST_TABLE = 420


def offered_columns(runs: pd.DataFrame) -> tuple[list[str], list[str]]:
    """(features, metrics) that have a value in at least one run."""
    own = ~runs["control"]
    features = [f for f in features_of(runs.columns) if (runs[f].notna() & own).any()]
    return features, [m for m in metrics_of(runs.columns) if (runs[m].notna() & own).any()]


def of_kind(metrics: Sequence[str], kind: str) -> list[str]:
    """The metrics that are outcomes, or (any other ``kind``) all the others."""
    outcomes = outcome_metrics(metrics, variants=True)
    return [m for m in metrics if (m in outcomes) == (kind == "outcome")]


def settle_pair(table: pd.DataFrame | None, features: list[str], metrics: list[str], plan: Any) -> None:
    """Picks a default pair where none of the options is picked: the plan's first primary pair where it is offered."""
    state = st.session_state
    if state.get(state_key("feature")) in features and state.get(state_key("metric")) in metrics:
        return
    wanted = [*(plan.primary if plan is not None else ()), *FIRST_FEATURES]
    pair = next(((f, m) for f, m in wanted if f in features and m in metrics), (features[0], metrics[0]))
    if state.get(state_key("feature")) not in features:
        state[state_key("feature")] = pair[0]
    if state.get(state_key("metric")) not in metrics:
        state[state_key("metric")] = pair[1] if pair[1] in metrics else metrics[0]


def grid_columns(table: pd.DataFrame, features: Sequence[str], metrics: Sequence[str]) -> tuple[list[str], list[str]]:
    """(features, metrics) of the grid: those that the table of correlations has."""
    own = table[table["feature"].isin(features) & table["metric"].isin(metrics)]
    return [f for f in features if f in set(own["feature"])], [m for m in metrics if m in set(own["metric"])]


def grid_table(found: pd.DataFrame, features: Sequence[str], metrics: Sequence[str], estimand: str) -> None:
    """Draws every number of the grid as a table in an expander."""
    own = found[found["feature"].isin(features) & found["metric"].isin(metrics)].copy()
    with st.expander(f"All {len(own):,} correlations of this grid as a table"):
        own["feature"], own["metric"] = own["feature"].map(column_label), own["metric"].map(column_label)
        names = {"feature": "Feature", "metric": "Metric", "rho": "Correlation", "low": "95 % from", "high": "to"}
        names |= {"n": "Prompts", "i2": "I²", "why": "Note", "verdict": "Verdict", "linked": "Linked"}
        names |= {
            "rho_controlled": "With the prompt's length held fixed",
            "q_controlled": "q of that",
            "rho_post": "And the answer's length and log-probability",
            "q_post": "q of these",
            "p_primary": "p of the pairs named before",
        }
        st.dataframe(
            own.rename(columns=names),
            hide_index=True,
            height=min(TALLEST_TABLE, 38 + 35 * max(len(own), 1)),
            key=f"findings_all_{estimand}",
        )
        st.caption(
            "q counts the whole grid of the plan. A pair is called a finding only where it also stands with the length "
            "of the prompt held fixed, by a spline on its ranks, so that bent relations are held too. The last columns "
            "also hold the answer's length and its log-probability: both are produced by the answer, so controlling "
            "for them can also hide a real link."
        )


def pair_row(found: Any, estimand: str, feature: str, metric: str) -> dict[str, Any] | None:
    """The pair's row in the table of correlations as a dict; None where it has none."""
    if found is None:
        return None
    own = getattr(found, f"correlations_{estimand}")
    own = own[(own["feature"] == feature) & (own["metric"] == metric)]
    return None if own.empty else own.iloc[0].to_dict()


def pair_text(own: dict[str, Any] | None, feature: str, metric: str, estimand: str, there: bool = True) -> str:
    """One sentence on the correlation of the pair; ``there``: whether the findings are computed."""
    if not there:
        return f"“{column_label(feature)}” and “{column_label(metric)}”: their correlation comes with the findings."
    return pair_sentence(own, column_label(feature), column_label(metric), estimand)


def pair_forest(opened: OpenedStudy, found: Any, estimand: str, feature: str, metric: str) -> pd.DataFrame | None:
    """The rows of a pair's forest plot: from the findings, or computed now (takes a second) and cached."""
    kept = found.forests.get((feature, metric)) if estimand == "between" else None
    if kept is not None:
        return kept
    return _forest(findings_name(opened), estimand, feature, metric, _runs=opened.runs)


@st.cache_resource(max_entries=64, show_spinner="Computing the forest plot")
def _forest(name: str, estimand: str, feature: str, metric: str, _runs: pd.DataFrame) -> pd.DataFrame:
    return forest_of_pair(_runs, feature, metric, estimand)
