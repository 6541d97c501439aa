"""Estimates a study before it starts: runs, time, disk, and the smallest correlation it can detect.

Time is taken from batches of cells that were measured on this machine with the same model, else from runs of any study
of it, else guessed from the model's speed or size. Guarded by tests/core/test_study_plan.py.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field

from ..errors import HeedError
from ..models.catalogue import CATALOGUE
from ..models.model_key import known_ref, resolve
from ..records import ModelKey
from ..speeds import Expected, expected_time
from . import database
from .fixed_batches import CELLS_AT_A_TIME
from .plan import Plan
from .plan_cells import skipped_text, sorted_cells
from .study import study_folders
from .worker import cells_kind

STARTING = 3.0
"""Seconds until a process of a study's own has begun and is seen to have ended."""
TOGETHER, HIDDEN_TOKENS = 3.0, 900
"""How many answers a batch writes in the time of one, and tokens that a cell's effects compute: for a guess."""
COMPONENTS = 2.0
"""Times as long as a run takes that records the model's other parts and cannot share a batch: for a guess."""
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
    """With one worker; None where nothing is known of one of its models, not even its size."""
    measured: bool
    """Whether the time rests on cells of a study with these models on this machine."""
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
    seconds: float | None = STARTING if found and seconds_per_run is None else 0.0
    disk, measured = 0.0, True
    for model in plan.models:
        count = sum(cell.model == model for cell in found)
        took = None if seconds_per_run is None else Expected(count * seconds_per_run, True)
        took = took or _cells_time(plan, model, count, known.get(model))
        seconds = None if seconds is None or took is None else seconds + took.seconds
        measured = measured and took is not None and took.measured
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
        measured=measured,
        disk=int(disk),
        smallest_rho=float(smallest_rho(len(usable))),
        smallest_rho_task=float(smallest_rho(max(of_task.values(), default=0))),
        skipped=skipped_text(skipped),
    )


def _cells_time(plan: Plan, model: str, count: int, known: MeasuredSpeed | None) -> Expected | None:
    """Estimates loading ``model`` in a process of its own and ``count`` cells; None where its size is not known."""
    if not count:
        return Expected(0.0, True)
    try:
        key, ref = resolve(model), known_ref(resolve(model))
        parameters = ref.parameters if ref is not None else CATALOGUE[model].parameters
    except (HeedError, KeyError):  # not fetched yet, or a name that only the hub knows
        key = ModelKey(model, "")
        parameters = CATALOGUE[model].parameters if model in CATALOGUE else 0
    if not parameters and known is None:
        return None
    load = expected_time(key, parameters, "first load", 1).seconds
    batch = min(count, CELLS_AT_A_TIME) * plan.max_new_tokens
    cells = expected_time(key, parameters, cells_kind(plan), batch)
    if not cells.measured and known is not None and not plan.components:
        return Expected(load + count * known.seconds, True)
    if not cells.measured:
        written = expected_time(key, parameters, "write", plan.max_new_tokens).seconds / TOGETHER
        hidden = expected_time(key, parameters, "variants", HIDDEN_TOKENS).seconds if plan.effects else 0.0
        return Expected(load + count * (1 + written + hidden) * (COMPONENTS if plan.components else 1), False)
    return Expected(load + cells.seconds * count / min(count, CELLS_AT_A_TIME), True)


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
