"""By what the runs of a study were made: Heed, its libraries, the files of its models; and whether two studies agree.

A study notes the versions that it runs with. What else counts stands in every run's request. Runs of shards are put
into one study only where all of it is the same. Guarded by tests/core/test_study_shards.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import date

from ..settings import LIBRARIES, versions
from ..version import __version__
from . import database

RAN_WITH = "ran with: "
"""Notes that begin so go on with {name: version} and hold the day on which a study first ran with these."""
Fact = tuple[str, str]
"""What is told, as a key of TOLD, and of which library or model."""
TOLD = {
    "version": "was run with {of} {value}, {others} with {of} {known}",
    "fingerprint": "was run with other files of the model {of} (fingerprint {value:.12}, {others} {known:.12})",
    "precision": "ran the model {of} in {value}, {others} in {known}",
    "day": "was asked prompts that tell {value} as today's date, {others} {known}",
    "device": "ran the model {of} on {value}, {others} on {known}",
}
"""Sentences without their subject, by what differs; ``others`` are other shards or the study."""
ROUNDING = ("device",)
"""What changes numbers by rounding alone: it is told, and runs are taken all the same."""


def current_versions() -> dict[str, str]:
    """Returns {name: version} of Heed and the libraries that numbers depend on."""
    return {"heed": __version__} | {name: version for name, version in versions() if name in LIBRARIES}


def note_versions(db: sqlite3.Connection) -> None:
    """Notes the versions of Heed and its libraries in a study that is about to run."""
    key = RAN_WITH + json.dumps(current_versions(), sort_keys=True)
    if database.get_note(db, key) is None:
        database.put_note(db, key, date.today().isoformat())


def facts_of_runs(db: sqlite3.Connection) -> Counter[tuple[Fact, str]]:
    """Returns {(fact, value): runs} of what the answers of a study were made by; empty where it has none."""
    found: Counter[tuple[Fact, str]] = Counter()
    rows = db.execute("SELECT request, model FROM kept JOIN cells USING (cell) WHERE digest IS NOT NULL")
    runs = 0
    for row in rows:
        runs += 1
        with suppress(ValueError, LookupError, TypeError):  # a damaged one is told elsewhere
            asked, model = json.loads(row["request"])["fields"], row["model"]
            key = asked["model"]
            one = {
                ("fingerprint", model): key["fingerprint"],
                ("precision", model): key["dtype"],
                ("device", model): key["device"],
                ("day", ""): asked["date"],
                **{("version", name): version for name, version in asked["versions"] if name in LIBRARIES},
            }
            found.update((fact, str(value)) for fact, value in one.items() if value)
    if runs:
        for text in database.cell_notes(db, RAN_WITH):
            with suppress(ValueError, AttributeError):
                noted = json.loads(text).items()
                found.update({(("version", name), str(version)): runs for name, version in noted if name == "heed"})
    return found


def usual_values(counted: Counter[tuple[Fact, str]]) -> dict[Fact, set[str]]:
    """Returns {fact: the one value that most runs have}, of those first seen among equals."""
    found: dict[Fact, set[str]] = {}
    for (fact, value), _ in counted.most_common():
        found.setdefault(fact, {value})
    return found


def all_values(counted: Counter[tuple[Fact, str]]) -> dict[Fact, set[str]]:
    """Returns {fact: every value that some run has}."""
    found: dict[Fact, set[str]] = {}
    for fact, value in counted:
        found.setdefault(fact, set()).add(value)
    return found


def differences_told(
    seen: Counter[tuple[Fact, str]], known: Mapping[Fact, set[str]], others: str
) -> tuple[list[str], list[str]]:
    """Returns (what differs and keeps runs apart, what changes rounding alone), without a subject.

    ``others``: whom ``known`` is of, for the sentence. What is not known of both differs in nothing.
    """
    apart: list[str] = []
    rounding: list[str] = []
    for (what, of), value in seen:
        there = known.get((what, of), {value})
        if value not in there:
            told = TOLD[what].format(of=of, value=value, known=" or ".join(sorted(there)), others=others)
            (rounding if what in ROUNDING else apart).append(told)
    return apart, rounding
