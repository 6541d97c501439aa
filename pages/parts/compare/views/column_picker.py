"""Controls that choose the column, or the two columns, of a view."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import streamlit as st

from core.importance.reading_summary import short_percent
from pages.parts.compare.matched_columns import MatchedColumns


def pick_pair(all_of: MatchedColumns, key: str) -> tuple[int, int] | None:
    """Indices of two columns, by a control where there are more; None with a message where there is only one."""
    pairs = list(combinations(range(len(all_of.drawn)), 2))
    if not pairs:
        st.info(
            "This view needs a second column with a run: copy the column to the right, change it and press Compare."
        )
        return None
    if len(pairs) == 1:
        return pairs[0]
    letters = all_of.letters
    names = {f"{letters[a]} and {letters[b]}": (a, b) for a, b in pairs}
    if st.session_state.get(key) not in names:
        st.session_state[key] = next(iter(names))
    name = st.segmented_control("Columns", list(names), key=key, required=True)
    return names[str(name)]


APART = 1.25
"""Ratio of two columns' total attention on words from which on most words gain by that alone."""


def totals_sentence(all_of: MatchedColumns, pair: tuple[int, int]) -> str:
    """A warning where one column's words got far more attention in all, so that most words gain; else empty."""
    both = [(all_of.letters[i], float(np.nansum(all_of.comparison.values[i]))) for i in pair]
    (less, low), (more, high) = sorted(both, key=lambda x: x[1])
    if not all(all_of.drawn[i].share for i in pair) or not low or high < APART * low:
        return ""
    return (
        f"Column {more} gave these words {short_percent(high)} of its attention in all and column {less} "
        f"{short_percent(low)}; the rest went elsewhere (see the line below each text). So most words gain for "
        "that reason alone: compare their ranks or their multiples of uniform, too."
    )


def pick_column(all_of: MatchedColumns, key: str) -> int:
    """Index of the column, by a control where there is more than one."""
    letters = all_of.letters
    if len(letters) == 1:
        return 0
    if st.session_state.get(key) not in letters:
        st.session_state[key] = letters[0]
    letter = st.segmented_control("Column", letters, key=key, required=True)
    return letters.index(str(letter))
