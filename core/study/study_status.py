"""Reads the progress of a study from its database. Guarded by tests/core/test_study_run.py."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from . import database

ENOUGH, SETTLED = 3, 8
"""Fewest finished runs for an estimate of the time left, and for leaving out the first (with loading) of the pace."""


@dataclass(frozen=True)
class Status:
    """Counts of cells by state, and times."""

    total: int
    done: int
    failed: int
    waiting: int
    """Not begun."""
    running: int
    """Claimed by a process that still lives."""
    seconds: float = 0.0
    """Spent on finished runs, all workers together."""
    left_seconds: float | None = None
    """Estimated until all is done, at the pace of this call of ``run``; None where it is not known."""
    near_ties: int = 0
    """Steps of finished runs whose two best tokens were within 1e-4 nats."""
    reasons: dict[str, int] = field(default_factory=dict)
    """{why cells failed: how many}, the most frequent first."""
    by_model: dict[str, Status] = field(default_factory=dict)
    doing: str = ""
    """What a worker does before it can run anything, e.g. fetching a model."""

    @property
    def fraction(self) -> float:
        """Share of the cells that are done or failed, 0 to 1."""
        return (self.done + self.failed) / self.total if self.total else 1.0

    @property
    def over(self) -> bool:
        """Whether every run is done or failed."""
        return self.done + self.failed == self.total

    @property
    def text(self) -> str:
        """One line for display."""
        parts = [f"{self.done:,} of {self.total:,} runs"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += (
            [f"{duration_words(self.left_seconds)} left"] if self.left_seconds is not None and not self.over else []
        )
        parts += [self.doing] if self.doing and not self.over else []
        return " · ".join(parts)


def status_of(db: sqlite3.Connection, since: float | None = None, pilot: bool = False) -> Status:
    """Returns the status of a study; ``since``: seconds since the epoch when this call of ``run`` began."""
    where = "wanted" + (" AND pilot" if pilot else "")
    models: dict[str, dict[str, int]] = {}
    owners = db.execute(
        f"SELECT owner, max(claimed) AS at FROM cells WHERE state = 'claimed' AND {where} GROUP BY owner"
    )
    alive = {row["owner"] for row in owners.fetchall() if database.is_alive(row["owner"], row["at"])}
    for row in db.execute(f"SELECT model, state, owner, count(*) AS n FROM cells WHERE {where} GROUP BY 1, 2, 3"):
        state = "waiting" if row["state"] == "claimed" and row["owner"] not in alive else row["state"]
        counts = models.setdefault(row["model"], {})
        counts[state] = counts.get(state, 0) + row["n"]
    spent = db.execute("SELECT sum(seconds) AS s, sum(near_ties) AS ties FROM runs").fetchone()
    reasons = db.execute(
        f"SELECT error, count(*) AS n FROM runs JOIN cells USING (cell) WHERE state = 'failed' AND {where} "
        "GROUP BY error ORDER BY n DESC, error"
    ).fetchall()
    states = ("done", "failed", "waiting", "claimed")
    counts = {state: sum(m.get(state, 0) for m in models.values()) for state in states}
    return Status(
        **_counts(counts),
        seconds=float(spent["s"] or 0),
        left_seconds=_left(db, since, counts["waiting"] + counts["claimed"], where),
        near_ties=int(spent["ties"] or 0),
        reasons={row["error"]: row["n"] for row in reasons},
        by_model={name: Status(**_counts(m)) for name, m in models.items()},
        doing=(database.get_note(db, "doing") or "") if alive else "",
    )


def duration_words(seconds: float) -> str:
    """Formats seconds: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _counts(counts: dict[str, int]) -> dict[str, Any]:
    named = {"done": "done", "failed": "failed", "waiting": "waiting", "running": "claimed"}
    found = {name: counts.get(state, 0) for name, state in named.items()}
    return found | {"total": sum(found.values())}


def _left(db: sqlite3.Connection, since: float | None, left: int, where: str) -> float | None:
    """Estimates the seconds left from the pace of the runs finished since then, all workers together."""
    if since is None or not left:
        return None
    row = db.execute(
        "SELECT count(*) AS n, min(finished) AS first FROM runs JOIN cells USING (cell) "
        f"WHERE finished > ? AND error = '' AND {where}",
        [since],
    ).fetchone()
    if row["n"] < ENOUGH:
        return None
    spent, runs = time.time() - since, row["n"]
    if runs >= SETTLED:
        spent, runs = time.time() - row["first"], runs - 1
    return float(spent / runs * left) if spent > 0 else None  # the clock was put back meanwhile
