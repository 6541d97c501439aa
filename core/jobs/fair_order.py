"""The fair order of the jobs that wait for one device: a session's second job waits behind the first ones of others.

Start-time fair queueing (Goyal, Vin and Cheng 1996) with every job of weight 1: the n-th waiting job of a session has
the turn of the job that began last, or one more than the session's own last turn if that is later, plus n - 1. Jobs
run by turn, those of one turn as they arrived. Turns are computed anew from who waits now, so that one who leaves
moves the others up, and each session has its turns whatever the others ask.
Who signed in counts as one session.

Where two models do not fit into memory together, each turn would load one and drop the other. So a job whose model
was dropped lately lets up to PASSES jobs of models in memory go before it. Guarded by tests/core/test_fair_order.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .job import Job

PASSES = 3
"""Most jobs of a model in memory that go before a job whose model was dropped for it."""


class FairOrder:
    """The turns of the sessions on one device. Not locked: ``Jobs`` holds its lock around every call.

    ``in_memory``: whether the model of a name is; False where it was dropped lately, so that loading it drops another;
    else None.
    """

    def __init__(self, in_memory: Callable[[str], bool | None] = lambda model: None) -> None:
        self._in_memory = in_memory
        self._now = 0
        self._begun: dict[str, int] = {}
        """Session -> the turn of its job that began last."""

    def order(self, waiting: Sequence[Job]) -> list[Job]:
        """Returns the jobs of ``waiting``, which come in order of arrival, in the order in which they would run."""
        turns = [turn for turn, _ in self._turns(waiting)]
        found = [waiting[i] for i in sorted(range(len(waiting)), key=lambda i: (turns[i], i))]
        left = PASSES - found[0].passed if found else 0
        if left > 0 and self._in_memory(found[0].model) is False:
            early = [job for job in found[1:] if self._in_memory(job.model)][:left]
            found = early + [job for job in found if job not in early]
        return found

    def begin(self, job: Job, waiting: Sequence[Job]) -> None:
        """Notes that ``job``, one of ``waiting``, begins: it was a turn of the session whose turn was earliest.

        Where it goes before the first in turn, that one has been passed once more.
        """
        turns = self._turns(waiting)
        place = list(waiting).index(job)
        first = min(range(len(waiting)), key=lambda i: (turns[i][0], i))
        if place != first:
            waiting[first].passed += 1
        self._now = turns[first][0]
        turn, session = turns[place]
        self._begun[session] = turn
        self._begun = {name: turn for name, turn in self._begun.items() if turn >= self._now}

    def rest(self) -> None:
        """Forgets who had a turn, when nothing waits or runs any more."""
        self._now, self._begun = 0, {}

    def _turns(self, waiting: Sequence[Job]) -> list[tuple[int, str]]:
        """Returns (turn, the session whose turn it is) of each job: of a shared one the earliest of those who wait."""
        later = {session: turn + 1 for session, turn in self._begun.items()}
        found = []
        for job in waiting:
            turn, session = min((later.get(name, self._now), name) for name in job.takers or {""})
            later[session] = turn + 1
            found.append((turn, session))
        return found
