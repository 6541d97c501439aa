"""Draws the choice of up to three primary pairs (feature, metric), named in the plan before any answer is seen."""

from __future__ import annotations

import streamlit as st

from core.study.column_labels import column_label
from core.study.features import feature_columns
from core.study.plan import MOST_PRIMARY
from core.study.quality.metrics import METRICS
from pages.parts.study.study_form import KEPT_FIELDS, field_key, get_field

ABOUT_PRIMARY = (
    "Of the many correlations that a study can look at, some come out strong by chance. Name here which you expect; "
    "they are tested on their own, and all others count as exploratory."
)


def primary_pairs() -> None:
    """Draws two select boxes for each pair, and an empty row as long as there is room."""
    st.caption(ABOUT_PRIMARY)
    for number in range(min(MOST_PRIMARY, len(named_pairs()) + 1)):
        left, right = st.columns(2)
        for place, name, options, label in (
            (left, f"feature_{number}", feature_columns(get_field("methods")), "Importance"),
            (right, f"metric_{number}", [*METRICS, *(m.column for m in get_field("metrics"))], "Quality"),
        ):
            st.session_state.setdefault(field_key(name), None)
            place.selectbox(
                f"{label} of pair {number + 1}",
                list(options),
                key=field_key(name),
                format_func=column_label,
                placeholder=f"{label}…",
                label_visibility="collapsed",
                **KEPT_FIELDS,
            )


def named_pairs() -> tuple[tuple[str, str], ...]:
    """The pairs of which both feature and metric are picked."""
    state = st.session_state
    every = [(state.get(field_key(f"feature_{n}")), state.get(field_key(f"metric_{n}"))) for n in range(MOST_PRIMARY)]
    return tuple(dict.fromkeys((f, m) for f, m in every if f and m))


def pairs_label() -> str:
    """The label of the expander that holds the pairs."""
    count = len(named_pairs())
    return "Expected pairs (optional)" if not count else f"Expected pairs: {count}"
