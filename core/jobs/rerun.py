"""Recomputes one run of a study as a job, from its plan alone (as for the example study).

The prompt is laid out anew from the plan; position controls need their filler, which only the study itself has. Guarded
by tests/core/test_jobs_rerun.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ..errors import StudyError
from ..progress import IsCancelled, Progress
from ..records import Item
from ..runs import loading_progress, make_run
from ..study.plan import Plan
from ..study.prompt_structures import LaidOutItem
from .job import Work


def lay_out_row(plan: Plan, row: Mapping[str, Any]) -> tuple[Item, LaidOutItem]:
    """Returns the item of ``row`` (of the runs table) and its layout. Raises StudyError if the plan lacks it."""
    from ..study.plan_cells import lay_out_item

    if row.get("control"):
        raise StudyError("A position control can only be run again where its study is: pick the run it belongs to.")
    item = next((i for i in plan.all_items() if i.id == row["prompt_id"]), None)
    if item is None:
        raise StudyError(f"The plan of this study has no prompt {row['prompt_id']}: it was changed since.")
    return item, lay_out_item(plan, item, str(row["structure"]))


def rerun_work(plan: Plan, row: Mapping[str, Any]) -> Work:
    """Returns the job that makes and stores the run of ``row``; its result is the run's id. Raises StudyError."""
    item, form = lay_out_row(plan, row)

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..models import load_model
        from ..study.plan_cells import cell_request

        model = load_model(str(row["model"]), progress=loading_progress(progress), cancelled=cancelled)
        seed, today = int(row.get("seed") or 0), date.today().isoformat()
        return make_run(cell_request(plan, item, form, model.key, seed, today), progress, cancelled)

    return do
