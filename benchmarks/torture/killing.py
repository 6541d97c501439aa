"""Kills each kind of work at random moments, and checks in a fresh process what is there and that the work goes on.

After a kill a fresh process starts as the dashboard does, reads everything, compares it with what an undisturbed
process has, does the same work again and compares once more, bit for bit.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture.forks import ChildFailed, in_fork, killed_after
from benchmarks.torture.works import Work, fresh_copy, places, unfinished_places
from core.leftovers import remove_leftover_files


@dataclass
class Killed:
    """What became of one kind of work."""

    name: str
    tries: int = 0
    working: int = 0
    lost: int = 0
    doubled: int = 0
    left: int = 0
    told: list[str] = field(default_factory=list)
    """What went wrong, for people."""

    @property
    def bad(self) -> int:
        """How much went wrong."""
        return self.lost + self.doubled + self.left


@contextmanager
def world(place: Path) -> Iterator[None]:
    """Sets HEED_HOME and HEED_MODELS for forks inside the block."""
    before = {name: os.environ.get(name) for name in ("HEED_HOME", "HEED_MODELS")}
    os.environ.update(HEED_HOME=str(place / "home"), HEED_MODELS=str(place / "models"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def kill_work(work: Work, tries: int, folder: Path, rng: random.Random) -> Killed:
    """Kills ``work`` in ``tries`` worlds of their own, each at another moment of its duration."""
    found = Killed(work.name)
    template, place, whole, seconds = undisturbed(work, folder)
    for _ in range(tries):
        fresh_copy(template, place)
        with world(place):
            try:
                told, working = killed_after(work.do, rng.uniform(0, seconds))
                seen = in_fork(lambda told=told: look(work, whole, told))  # type: ignore[misc]
            except ChildFailed as error:
                working, seen = False, {"lost": 1, "doubled": 0, "left": 0, "told": [str(error).strip()[-400:]]}
        found.tries += 1
        found.working += working
        for name in ("lost", "doubled", "left"):
            setattr(found, name, getattr(found, name) + seen[name])
        found.told += seen["told"]
    return found


def undisturbed(work: Work, folder: Path) -> tuple[Path, Path, dict[str, Any], float]:
    """Prepares a world in ``folder`` and lets the work end there in peace.

    Returns the prepared world, the one to work in, what the work made and the seconds that it took.
    """
    template, place = folder / "template", folder / "place"
    if not template.exists():
        with world(template):
            (template / "home").mkdir(parents=True)
            (template / "models").mkdir()
            in_fork(work.prepare)
    fresh_copy(template, place)
    with world(place):
        return template, place, *in_fork(lambda: _done_in_peace(work))


def _done_in_peace(work: Work) -> tuple[dict[str, Any], float]:
    """Returns what the work makes when nobody disturbs it, and the seconds that it takes."""
    before = work.state()
    began = time.monotonic()
    work.do(lambda what: None)
    seconds = time.monotonic() - began
    return {"before": before, "state": work.state(), "places": sorted(places())}, seconds


def look(work: Work, whole: dict[str, Any], told: list[str]) -> dict[str, Any]:
    """Returns what is lost, doubled and left over after a kill, in a fresh process."""
    wrong: list[str] = []
    remove_leftover_files()
    left = sorted(unfinished_places())
    first, doubled = work.state(), work.doubled()
    known = whole["state"]
    lost = [what for what in told if what not in first]
    lost += [
        f"{what}, finished differently"
        for what, value in first.items()
        if value not in (known.get(what, value), whole["before"].get(what)) and what != "set aside"
    ]
    work.do(lambda what: None)
    again = work.state()
    lost += [
        f"{what}, {'different' if what in again else 'missing'} after the work was done again"
        for what in known
        if again.get(what) != known[what]
    ]
    doubled += work.doubled() + len(set(again) - set(known))
    left += sorted((places() - set(whole["places"])) | unfinished_places())
    wrong += [f"lost: {what}" for what in lost] + [f"left over: {what}" for what in left]
    wrong += [f"doubled: {doubled}"] if doubled else []
    return {"lost": len(lost), "doubled": doubled, "left": len(left), "told": wrong}
