"""Tests that a run of a plan is laid out again as in its study, and that rows not in the plan raise one sentence."""

import pytest

from core.errors import StudyError
from core.jobs.rerun import lay_out_row, rerun_work
from core.study.plan import Plan

PLAN = Plan("Small", ("smollm2-135m-instruct",), suites=("fact",), per_task=2)


def test_the_prompt_is_laid_out_as_in_the_study():
    from core.study.plan_cells import lay_out_item

    item = PLAN.all_items()[0]
    row = {"prompt_id": item.id, "structure": "instruction_last", "control": False}
    found, form = lay_out_row(PLAN, row)
    assert found == item and form == lay_out_item(PLAN, item, "instruction_last")
    assert callable(rerun_work(PLAN, row | {"model": "smollm2-135m-instruct"}))


@pytest.mark.parametrize(
    ("row", "told"),
    [({"prompt_id": "gone", "structure": "plain"}, "no prompt gone"), ({"prompt_id": "x", "control": True}, "control")],
)
def test_what_cannot_be_run_is_a_sentence(row, told):
    with pytest.raises(StudyError, match=told):
        rerun_work(PLAN, row)
