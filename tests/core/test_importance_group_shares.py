"""Tests of shares by role along the answer, on numbers that can be added by hand."""

import numpy as np
import pytest

from core.importance import explain
from core.importance.group_shares import EARLIER, SINK_GROUP, shares_by_step
from tests.pages import made_up


def test_the_groups_of_a_step_are_all_its_attention():
    trace = made_up.run()
    found = explain(trace, sink="separate", inputs="all", granularity="role")
    groups = shares_by_step(found, trace)
    assert list(groups.values)[-2:] == [EARLIER, SINK_GROUP] and groups.unit == "share"
    total = np.sum(list(groups.values.values()), axis=0)
    assert total == pytest.approx(1.0, abs=1e-3) and len(total) == len(groups.labels) == len(trace.answer_steps)
    one, even = groups.at(1)
    column = found.columns.labels.index("user")
    assert one["Your words"] == pytest.approx(float(found.values[groups.steps[1], column]))
    assert even["Your words"] == pytest.approx(float(found.uniform[groups.steps[1], column]))


def test_scores_have_no_uniform_and_no_sink():
    trace = made_up.run()
    found = explain(trace, "excess", sink="separate", inputs="all", granularity="role")
    groups = shares_by_step(found, trace)
    assert groups.uniform == {} and SINK_GROUP not in groups.values and groups.at(0)[1] == {}
