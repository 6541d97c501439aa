"""Up to three pairs (a feature, a metric) named before the first answer is seen; they are part of the plan."""

from __future__ import annotations

import streamlit as st

from core.quality.metrics import METRICS
from core.study.features import FEATURES
from core.study.plan import PRIMARY
from core.study.words import column_words
from pages.parts.study.filled import KEEP, key

ABOUT = (
    "Of the many correlations that a study can look at, some come out strong by chance. Name here which you expect; "
    "they are tested on their own, and all others count as exploratory."
)


def pairs() -> None:
    """Draws a line for each pair, and one more as long as there is room."""
    st.caption(ABOUT)
    for number in range(min(PRIMARY, len(named()) + 1)):
        left, right = st.columns(2)
        for place, name, options, label in (
            (left, f"feature_{number}", FEATURES, "Importance"),
            (right, f"metric_{number}", METRICS, "Quality"),
        ):
            st.session_state.setdefault(key(name), None)
            place.selectbox(
                f"{label} of pair {number + 1}",
                list(options),
                key=key(name),
                format_func=column_words,
                placeholder=f"{label}…",
                label_visibility="collapsed",
                **KEEP,
            )


def named() -> tuple[tuple[str, str], ...]:
    """The pairs of which both halves are picked."""
    state = st.session_state
    every = [(state.get(key(f"feature_{n}")), state.get(key(f"metric_{n}"))) for n in range(PRIMARY)]
    return tuple(dict.fromkeys((f, m) for f, m in every if f and m))


def label() -> str:
    """Of the box that holds them."""
    count = len(named())
    return "Expected pairs (optional)" if not count else f"Expected pairs: {count}"
