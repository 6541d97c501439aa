"""What a rater has before them: the study's answers in their order, what is rated, and what a press does.

Everything is read from the database at each look and written at once, so that a closed tab loses nothing and two
raters may work at the same time. Only what was put off and which card was taken back live in the session.
Guarded by tests/pages/test_rate.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.study import database, ratings
from core.study.ratings import Card
from core.study.study import Study


@dataclass(frozen=True)
class Desk:
    """One look at a study for one rater."""

    cards: list[Card]
    """In the rater's order."""
    seen: dict[str, float]
    """{cell: rating} of this rater."""
    now: Card | None
    waiting: int

    @property
    def done(self) -> int:
        return len(self.cards) - self.waiting


@contextmanager
def opened(folder: str) -> Iterator[sqlite3.Connection]:
    """The study's database, for one look. Raises StoreError."""
    db = database.connect(Path(folder) / database.FILE)
    try:
        yield db
    finally:
        db.close()


def look(db: sqlite3.Connection, rater: str, state: MutableMapping[str, Any]) -> Desk:
    """The desk of ``rater``; ``state`` holds what was put off (``later``) and taken back (``first``)."""
    cards, seen = ratings.in_order(ratings.cards(db), rater), ratings.given(db, rater)
    now = ratings.following(cards, seen, state.get("later", ()), state.get("first", ""))
    return Desk(cards, seen, now, sum(not ratings.is_rated(card, seen) for card in cards))


def press(db: sqlite3.Connection, rater: str, what: str, key: str, state: MutableMapping[str, Any]) -> None:
    """Do what was pressed on the card ``key``. A card that is gone or rated meanwhile is left alone.

    Raises StudyError, StoreError.
    """
    desk = look(db, rater, state)
    if what == "undo":
        last = ratings.latest(desk.cards, desk.seen)
        if last is not None:
            ratings.take_back(db, last, rater, uploaded(db, last))
            state["first"] = last.key
        return
    card = next((c for c in desk.cards if c.key == key), None)
    if card is None:
        return
    state["first"] = ""
    if what == "later":
        state["later"] = [k for k in state.get("later", ()) if k != key] + [key]
    elif what.isdigit():
        ratings.rate(db, card, rater, int(what))


def uploaded(db: sqlite3.Connection, card: Card) -> float | None:
    """The rating that came with the card's item."""
    return asked(db).get(card.prompt_id, ("", None))[1]


def asked(db: sqlite3.Connection) -> dict[str, tuple[str, float | None]]:
    """{prompt_id: (the item's own words, its uploaded rating)}, remembered while the plan stays the same."""
    row = db.execute("SELECT max(number) AS number, id FROM plans").fetchone()
    file = db.execute("PRAGMA database_list").fetchone()[2]
    return _asked(str(Path(file).parent), f"{row['number']} {row['id']}")


@st.cache_data(max_entries=8, show_spinner=False)
def _asked(folder: str, plan: str) -> dict[str, tuple[str, float | None]]:
    study = Study(Path(folder))
    try:
        words, items = study.prompts(), study.items()
    finally:
        study.close()
    return {name: (words[name], item.rating) for name, item in items.items()}
