"""Tests that steered runs are taken out of every other analysis, and that tables without any stay as they were."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from core.errors import StudyError
from core.study.correlate_columns import correlate
from core.study.fail_under import below_limits
from core.study.findings.analysis import compute_findings
from core.study.findings.sample_size import count_sample
from core.study.findings.source import OpenedStudy, check_runs, filter_study, table_version
from core.study.unsteered_runs import is_steered, steered_only, unsteered
from tests.core.steered_made_up import FACTORS, steered_instructions, steered_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs():
    return check_runs(steered_table(12))


def test_a_table_without_the_column_stays_itself(runs):
    plain = unsteered(runs).drop(columns=["steered", "factor", "plain_logprob"])
    assert unsteered(plain) is plain and steered_only(plain) is None and not is_steered(plain).any()
    opened = OpenedStudy("x", "X", plain)
    assert opened.runs is plain and opened.every_run is plain and opened.steered_count == 0


def test_missing_and_blank_parts_are_no_parts():
    table = pd.DataFrame({"steered": ["", None, np.nan, " ", "question"], "factor": [1, None, 1, 1, None]})
    assert is_steered(table).tolist() == [False] * 4 + [True]
    assert steered_only(table)["factor"].tolist() == [1.0]


def test_an_opened_study_keeps_them_apart_through_a_filter(runs):
    opened = OpenedStudy("x", "X", runs)
    assert not is_steered(opened.runs).any() and is_steered(opened.steered).all()
    assert opened.steered_count == 2 * 12 * 2 * len(FACTORS) and len(opened.every_run) == len(runs)
    assert opened.version == table_version(opened.every_run) != table_version(opened.runs)
    less = filter_study(opened, {"task": ["fact"]})
    assert set(less.steered["task"]) == {"fact"} and less.steered_count == opened.steered_count // 2
    assert filter_study(opened, {"structure": ["instruction_last"]}).steered is None
    counted = {label: value for label, value, _ in count_sample(opened.runs, opened.steered_count).numbers}
    assert counted["Steered runs"] == f"{opened.steered_count:,}" and counted["Runs"] == f"{len(opened.runs):,}"
    assert "Steered runs" not in {label for label, *_ in count_sample(opened.runs).numbers}


def test_the_version_sees_a_changed_factor(runs):
    assert table_version(runs) != table_version(runs.assign(factor=runs["factor"] * 2))


def test_all_other_findings_are_those_of_the_unsteered_runs(runs):
    """The steered runs here follow always: whatever let them in would show another mean."""
    loud = runs.assign(followed=np.where(is_steered(runs), 1.0, runs["followed"]))
    few = {"permutations": 19, "resamples": 19, "slow": False}
    whole = compute_findings(loud, steered_instructions(loud), **few)
    plain = compute_findings(unsteered(loud), unsteered(steered_instructions(loud)), **few)
    for name in ("quality", "attention", "effects", "correlations_between", "correlations_within", "cells"):
        assert_frame_equal(getattr(whole, name), getattr(plain, name))
    assert whole.facts == plain.facts | {"steered": int(is_steered(runs).sum())}
    assert "192 steered runs beside them." in whole.sentences[0]
    assert whole.sentences[0].startswith(plain.sentences[0])


def test_limits_and_correlations_leave_them_out(runs):
    loud = runs.assign(followed=np.where(is_steered(runs), 1.0, 0.0))
    assert "(n = 96), below" in below_limits(loud, {"followed": 0.1})[0]
    settings = {"strata": "task", "permutations": 19, "resamples": 19}
    assert_frame_equal(
        correlate(runs, ["share_instruction"], ["followed"], **settings),
        correlate(unsteered(runs), ["share_instruction"], ["followed"], **settings),
    )


def test_a_table_of_nothing_else_says_what_is_missing(runs):
    with pytest.raises(StudyError, match="same prompts without steering"):
        compute_findings(steered_only(runs), slow=False)
