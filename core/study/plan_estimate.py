"""Estimates a study before it starts: runs, time, disk, and the smallest correlation it can detect.

Time is taken from runs that were measured on this machine, in this study's pilot or in any study of the same model;
where there are none it is not guessed. Guarded by tests/core/test_study_plan.py.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from ..errors import HeedError
from . import database
from .plan import Plan
from .plan_cells import skipped_text, sorted_cells
from .study import study_folders

KEPT_BYTES = 45_000
"""Bytes that a run takes on disk with 64 new tokens on a small model, where none was measured."""


@dataclass(frozen=True)
class MeasuredSpeed:
    """Mean time and size of the finished runs of one model on this machine."""

    runs: int
    seconds: float
    bytes: float


@dataclass(frozen=True)
class PlanEstimate:
    """The estimate for a plan."""

    items: int
    runs: int
    """Number of runs, position controls included."""
    controls: int
    tasks: dict[str, int]
    """{task: items}"""
    seconds: float | None
    """With one worker; None where no run of one of its models was measured yet."""
    disk: int
    """Bytes."""
    smallest_rho: float
    """Smallest |Spearman rho| that all prompts together detect with 80 % power; NaN for too few prompts."""
    smallest_rho_task: float
    """The same within the task that has most prompts."""
    skipped: dict[str, int] = field(default_factory=dict)
    """{why a prompt cannot be laid out: how many}"""


def estimate_plan(plan: Plan, seconds_per_run: float | None = None) -> PlanEstimate:
    """Estimates ``plan``; ``seconds_per_run`` for every model, None takes what was measured."""
    from .statistics import smallest_rho

    found, skipped = sorted_cells(plan)
    known = measured_speeds()
    seconds: float | None = 0.0
    disk = 0.0
    for model in plan.models:
        count = sum(cell.model == model for cell in found)
        pace = seconds_per_run if seconds_per_run is not None else known[model].seconds if model in known else None
        seconds = None if seconds is None or pace is None else seconds + count * pace
        disk += count * (known[model].bytes if model in known else KEPT_BYTES)
    tasks: dict[str, int] = {}
    for item in plan.all_items():
        tasks[item.task] = tasks.get(item.task, 0) + 1
    usable = {cell.item: cell.task for cell in found}
    of_task = Counter(usable.values())
    return PlanEstimate(
        items=len(plan.all_items()),
        runs=len(found),
        controls=sum(cell.control for cell in found),
        tasks=tasks,
        seconds=seconds,
        disk=int(disk),
        smallest_rho=float(smallest_rho(len(usable))),
        smallest_rho_task=float(smallest_rho(max(of_task.values(), default=0))),
        skipped=skipped_text(skipped),
    )


def measured_speeds() -> dict[str, MeasuredSpeed]:
    """Returns {model: mean time and size of its finished runs}, from every study of this machine."""
    sums: dict[str, list[float]] = {}
    sql = (
        "SELECT model, count(*) AS n, sum(seconds) AS s, sum(length(digest)) AS b FROM runs JOIN kept USING (cell) "
        "WHERE error = '' AND seconds > 0 GROUP BY model"
    )
    for folder in study_folders():
        try:
            db = database.connect(folder / database.FILE)
            try:
                rows = database.query_rows(db, sql)
            finally:
                db.close()
        except (HeedError, sqlite3.Error):
            continue
        for row in rows:
            total = sums.setdefault(row["model"], [0.0, 0.0, 0.0])
            for i, name in enumerate(("n", "s", "b")):
                total[i] += float(row[name] or 0)
    return {model: MeasuredSpeed(int(n), s / n, b / n + 4000) for model, (n, s, b) in sums.items() if n}
