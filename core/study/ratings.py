"""Collects human ratings of a study's answers: blind, one answer at a time, stored at once under the rater's name.

Model and structure of an answer are not shown: the prompt that is shown is the item's own, without the structure around
it, and an answer that several runs gave to one item word for word is rated once for all of them. Raters who see
different answers cannot be compared, so all raters get the same blocks of answers in the same random order, and a
random order of their own inside of each block. Position controls, whose prompts ask for nothing, failed runs and empty
answers are left out. The table is ``ratings(cell, rater, rating, at)`` of the study's database; the mean over raters
becomes the metric ``rating`` at once. Guarded by tests/core/test_study_ratings.py.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import StoreError, StudyError
from .database import add_columns, transaction
from .quality.metric_value import UNRATED

if TYPE_CHECKING:
    import pandas as pd

RATING_SCALE = {1: "very bad", 2: "bad", 3: "in between", 4: "good", 5: "very good"}
COMMON_BLOCK = 20
"""Size of a block: all raters finish one before they get the next."""
LONGEST_NAME = 40

_TABLE = """CREATE TABLE IF NOT EXISTS ratings (
    cell TEXT NOT NULL, rater TEXT NOT NULL, rating REAL NOT NULL, at REAL NOT NULL, PRIMARY KEY (cell, rater))"""


@dataclass(frozen=True)
class Card:
    """One answer to rate, and the runs that gave it."""

    key: str
    """Reveals neither model nor structure."""
    prompt_id: str
    answer: str
    truncated: bool
    """Whether a run that gave it was stopped by the token limit."""
    cells: tuple[str, ...]


def rating_cards(db: sqlite3.Connection) -> list[Card]:
    """Returns every answer that can be rated, in the order of the runs."""
    rows = db.execute(
        "SELECT r.cell, r.prompt_id, r.answer, r.truncated FROM runs r LEFT JOIN cells c USING (cell) "
        "WHERE trim(coalesce(r.answer, '')) != '' AND coalesce(r.error, '') = '' AND NOT coalesce(r.control, 0) "
        "AND coalesce(r.steered, '') = '' "
        "AND coalesce(c.wanted, 1) ORDER BY r.cell"
    )
    found: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for cell, prompt_id, answer, truncated in rows:
        found.setdefault((str(prompt_id), answer.strip()), []).append((str(cell), bool(truncated)))
    return [
        Card(_key(prompt_id, answer), prompt_id, answer, any(t for _, t in runs), tuple(c for c, _ in runs))
        for (prompt_id, answer), runs in found.items()
    ]


def order_cards(found: Sequence[Card], rater: str) -> list[Card]:
    """Returns the cards in the order of ``rater``: common blocks, an own order inside each; the same at every visit."""
    common = sorted(found, key=lambda card: _key("order", card.key))
    blocks = [common[i : i + COMMON_BLOCK] for i in range(0, len(common), COMMON_BLOCK)]
    return [card for block in blocks for card in sorted(block, key=lambda card: _key(rater, card.key))]


def is_rated(card: Card, seen: Mapping[str, float]) -> bool:
    """Returns whether every run of the card has a rating among ``seen`` (from ``ratings_of``)."""
    return all(cell in seen for cell in card.cells)


def next_card(ordered: Sequence[Card], seen: Mapping[str, float], later: Sequence[str], first: str = "") -> Card | None:
    """Returns the next card: ``first`` (one taken back), then unrated ones, then those put off; None: all rated."""
    waiting = {card.key: card for card in ordered if not is_rated(card, seen)}
    put_off = [key for key in later if key in waiting]
    order = [first, *(key for key in waiting if key not in put_off), *put_off]
    return next((waiting[key] for key in order if key in waiting), None)


def last_rated(found: Sequence[Card], seen: Mapping[str, float]) -> Card | None:
    """Returns the card rated last, for taking it back; None where nothing is rated."""
    homes = {cell: card for card in found for cell in card.cells}
    return next((homes[cell] for cell in reversed(list(seen)) if cell in homes), None)


def check_rater(name: str) -> str:
    """Returns the name without spaces around it. Raises StudyError where it is empty or too long."""
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST_NAME:
        raise StudyError(f"Ratings are kept by the rater's name: give one of 1 to {LONGEST_NAME} characters.")
    return plain


def put_rating(db: sqlite3.Connection, card: Card, rater: str, rating: int) -> None:
    """Stores the rating (1 to 5) of ``rater`` for the runs of one card, replacing an earlier one. Raises StudyError."""
    if isinstance(rating, bool) or rating not in RATING_SCALE:
        raise StudyError(f"A rating is a whole number from 1 to {max(RATING_SCALE)}, not {rating!r}.")
    name, at = check_rater(rater), time.time()
    with _writing(db):
        for cell in card.cells:
            db.execute("INSERT OR REPLACE INTO ratings VALUES (?, ?, ?, ?)", (cell, name, float(rating), at))
            settle_rating(db, cell, None)


def remove_rating(db: sqlite3.Connection, card: Card, rater: str, uploaded: float | None = None) -> None:
    """Removes the rating of ``rater`` for these runs; ``uploaded`` is the rating that came with the item, if any."""
    name = check_rater(rater)
    with _writing(db):
        for cell in card.cells:
            db.execute("DELETE FROM ratings WHERE cell = ? AND rater = ?", (cell, name))
            settle_rating(db, cell, uploaded)


def ratings_of(db: sqlite3.Connection, rater: str) -> dict[str, float]:
    """Returns {cell: rating} of one rater, the latest last."""
    _made(db)
    rows = db.execute("SELECT cell, rating FROM ratings WHERE rater = ? ORDER BY at, cell", [rater])
    return {str(cell): float(rating) for cell, rating in rows}


def rating_table(db: sqlite3.Connection, prompts: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Returns one row per run and rater.

    Columns: cell, run, prompt_id, task, structure, control, model, seed, prompt, answer, card, rater, rating, at (ISO,
    UTC). ``card`` is the same where one rating was given to several runs.
    """
    import pandas as pd

    _made(db)
    facts = ["cell", "run", "prompt_id", "task", "structure", "control", "model", "seed", "answer"]
    asked = ", ".join(f"runs.{name}" for name in facts)
    joined = f"SELECT {asked}, r.rater, r.rating, r.at FROM ratings r JOIN runs USING (cell)"
    rows = db.execute(f"{joined} ORDER BY r.at, cell")
    out = pd.DataFrame([tuple(row) for row in rows], columns=[*facts, "rater", "rating", "at"])
    cells = zip(out["prompt_id"], out["answer"], strict=True)
    out.insert(9, "card", [_key(str(p), str(a).strip()) for p, a in cells])
    out.insert(8, "prompt", [(prompts or {}).get(str(p), "") for p in out["prompt_id"]])
    out["at"] = pd.to_datetime(out["at"].astype(float), unit="s", utc=True).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    out["control"] = out["control"].fillna(0).astype(bool)
    return out


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _made(db: sqlite3.Connection) -> None:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'ratings'").fetchone():
        db.execute(_TABLE)


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """Runs one transaction for all runs of a card. Raises StoreError where the disk does not take it."""
    try:
        _made(db)
        add_columns(db, ["rating"])
        with transaction(db):
            yield
    except sqlite3.Error as error:
        raise StoreError(
            f"The rating could not be kept ({error}): check the disk, then rate this answer again."
        ) from error


def settle_rating(db: sqlite3.Connection, cell: str, uploaded: float | None) -> None:
    """Updates the metric of one run: the mean over raters, else the item's rating, else why there is none."""
    mean = db.execute("SELECT avg(rating) FROM ratings WHERE cell = ?", (cell,)).fetchone()[0]
    value = uploaded if mean is None else mean
    row = db.execute("SELECT why FROM runs WHERE cell = ?", (cell,)).fetchone()
    why = json.loads((row and row[0]) or "{}")
    why.pop("rating", None)
    if value is None:
        why["rating"] = UNRATED
    db.execute("UPDATE runs SET rating = ?, why = ? WHERE cell = ?", (value, json.dumps(why), cell))
