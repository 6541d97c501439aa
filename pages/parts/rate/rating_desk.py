"""One rater's work on a study: the answers in the rater's order, the ratings so far, and what a press does.

Everything is read from the database at each rerun and written at once, so that a closed tab loses nothing and two
raters may work at the same time. Only which cards were postponed or taken back lives in the session.
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

from core import people
from core.errors import StoreError
from core.study import database, ratings
from core.study.ratings import Card
from core.study.study import Study


@dataclass(frozen=True)
class RatingDesk:
    """The state of one rater's work on a study, read once."""

    cards: list[Card]
    """In the rater's order."""
    seen: dict[str, float]
    """{cell: rating} of this rater."""
    now: Card | None
    waiting: int

    @property
    def done(self) -> int:
        """Number of cards that this rater has rated."""
        return len(self.cards) - self.waiting


@contextmanager
def open_database(folder: str) -> Iterator[sqlite3.Connection]:
    """Opens the study's database and closes it afterwards. Raises StoreError, also where it is shared no more."""
    if not people.may_see("study", Path(folder).name):
        raise StoreError("This study is not here any more: pick another.")
    db = database.connect(Path(folder) / database.FILE)
    try:
        yield db
    finally:
        db.close()


def rating_desk(db: sqlite3.Connection, rater: str, state: MutableMapping[str, Any]) -> RatingDesk:
    """Reads the desk of ``rater``; ``state`` holds the cards postponed (``later``) and taken back (``first``)."""
    cards, seen = ratings.order_cards(ratings.rating_cards(db), rater), ratings.ratings_of(db, rater)
    now = ratings.next_card(cards, seen, state.get("later", ()), state.get("first", ""))
    return RatingDesk(cards, seen, now, sum(not ratings.is_rated(card, seen) for card in cards))


def press_button(db: sqlite3.Connection, rater: str, what: str, key: str, state: MutableMapping[str, Any]) -> None:
    """Carries out a press on the card ``key``: rate, postpone or undo. A card that is gone is left alone.

    Raises StudyError, StoreError.
    """
    desk = rating_desk(db, rater, state)
    if what == "undo":
        last = ratings.last_rated(desk.cards, desk.seen)
        if last is not None:
            ratings.remove_rating(db, last, rater, uploaded_rating(db, last))
            state["first"] = last.key
        return
    card = next((c for c in desk.cards if c.key == key), None)
    if card is None:
        return
    state["first"] = ""
    if what == "later":
        state["later"] = [k for k in state.get("later", ()) if k != key] + [key]
    elif what.isdigit():
        ratings.put_rating(db, card, rater, int(what))


def uploaded_rating(db: sqlite3.Connection, card: Card) -> float | None:
    """The rating that came with the card's uploaded item; None where it had none."""
    return prompts_and_ratings(db).get(card.prompt_id, ("", None))[1]


def prompts_and_ratings(db: sqlite3.Connection) -> dict[str, tuple[str, float | None]]:
    """{prompt_id: (the item's own words, its uploaded rating)}, cached while the plan stays the same."""
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
