"""One run of a study whose plan is known and whose study is not on this machine (the example), computed as a job.

The prompt is laid out anew from the plan, so nothing but the plan is needed; position controls need their filler, which
only the study itself has. Guarded by tests/core/test_jobs_again.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from core.errors import StudyError
from core.jobs.job import Progress, Work
from core.jobs.runs import captured, loading, stored
from core.models.names import prints_date
from core.records import Item
from core.study.plan import Plan
from core.study.structures import Laid


def laid_again(plan: Plan, row: Mapping[str, Any]) -> tuple[Item, Laid]:
    """The item of ``row`` (of the runs table) and its layout. Raises StudyError where the plan does not have it."""
    from core.study.cells import laid

    if row.get("control"):
        raise StudyError("A position control can only be run again where its study is: pick the run it belongs to.")
    item = next((i for i in plan.all_items() if i.id == row["prompt_id"]), None)
    if item is None:
        raise StudyError(f"The plan of this study has no prompt {row['prompt_id']}: it was changed since.")
    return item, laid(plan, item, str(row["structure"]))


def again_work(plan: Plan, row: Mapping[str, Any]) -> Work:
    """Run what ``row`` asked and store it; the result is the run's id. Raises StudyError."""
    item, form = laid_again(plan, row)

    def do(progress: Progress, cancelled: Callable[[], bool]) -> str:
        from core.models import load_model
        from core.study.cells import request_of

        model = load_model(str(row["model"]), progress=loading(progress), cancelled=cancelled)
        today = date.today().isoformat() if prints_date(str(row["model"])) else ""
        request = request_of(plan, item, form, model.key, int(row.get("seed") or 0), today)
        if not stored(request):
            captured(model, request, progress, cancelled)
        return request.id

    return do
