"""Which column, or which two columns, a view is about."""

from __future__ import annotations

from itertools import combinations

import streamlit as st

from pages.parts.compare.matched import Matched


def pick_pair(all_of: Matched, key: str) -> tuple[int, int] | None:
    """Numbers of the two columns; a choice where there are more than two. None, told, where there is only one."""
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


def pick_column(all_of: Matched, key: str) -> int:
    """Number of the column; a choice where there is more than one."""
    letters = all_of.letters
    if len(letters) == 1:
        return 0
    if st.session_state.get(key) not in letters:
        st.session_state[key] = letters[0]
    letter = st.segmented_control("Column", letters, key=key, required=True)
    return letters.index(str(letter))
