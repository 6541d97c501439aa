"""A list that buttons add to, reorder and shorten while its page is drawn from plain values.

The caller holds the plain values and hands them in at every draw. What buttons and fields change goes into rows, each
with a number that stays its own when rows move, so a field that is keyed by it keeps what was typed; a list that was
changed from outside (a run was opened) gets new numbers, and so new fields. Guarded by tests/pages/test_edited_list.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass
class EditedList:
    """The rows of one list, and the plain values that they came from."""

    given: tuple[Any, ...]
    rows: list[tuple[int, Any]]
    """[(number, item)]"""
    made: int
    """How many numbers were given away."""

    @property
    def items(self) -> tuple[Any, ...]:
        """The list as plain values."""
        return tuple(item for _, item in self.rows)

    def settled(self) -> tuple[Any, ...]:
        """The list as it now is; the caller keeps it and hands it in at the next draw."""
        self.given = self.items
        return self.given

    def add(self, *items: Any) -> None:
        """Appends rows."""
        self.rows = [*self.rows, *enumerate(items, self.made)]
        self.made += len(items)

    def drop(self, number: int) -> None:
        """Removes the row of this number."""
        self.rows = [row for row in self.rows if row[0] != number]

    def move(self, number: int, by: int) -> None:
        """Moves the row of this number down by so many places (up where negative), at most to an end."""
        at = next((i for i, (n, _) in enumerate(self.rows) if n == number), None)
        if at is None:
            return  # dropped just before
        row = self.rows.pop(at)
        self.rows.insert(min(max(at + by, 0), len(self.rows)), row)


def edited_list(name: str, given: Sequence[Any]) -> EditedList:
    """The list of this session under ``name``; anew from ``given`` where that is not what it last settled on."""
    found: EditedList | None = st.session_state.get(name)
    if found is None or found.given != tuple(given):
        made = 0 if found is None else found.made
        found = EditedList(tuple(given), list(enumerate(given, made)), made + len(given))
        st.session_state[name] = found
    return found
