"""Tests that every fault of an uploaded table raises one sentence."""

import numpy as np
import pandas as pd
import pytest

from core.errors import HeedError, StudyError
from core.study.statistics import correlate_table, forest, table_columns

TABLE = pd.DataFrame(
    {
        "prompt_id": [f"p{i}" for i in range(40)],
        "share": np.linspace(0, 1, 40),
        "followed": [i % 3 == 0 for i in range(40)],
        "answer": ["Paris"] * 40,
        "when": pd.Timestamp("2026-01-01"),
        "phase": [1j] * 40,
    }
)
TWICE = pd.concat([TABLE, TABLE[["share"]]], axis=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None, "share", "followed"), "DataFrame"),
        (({"share": [1]}, "share", "followed"), "DataFrame"),
        ((TABLE, "shares", "followed"), "'shares' for the features; did you mean share"),
        ((TABLE, "share", ["followed", "zzz"]), "'zzz' for the metrics; it has prompt_id"),
        ((TABLE, ["share", 3], "followed"), "features"),
        ((TABLE, 3, "followed"), "features"),
        ((TABLE, "share", "followed", "prompt"), "'prompt' for the cluster; did you mean prompt_id"),
        ((TABLE, "share", "followed", ""), "cluster"),
        ((TABLE, "share", "followed", None), "cluster"),
        ((TABLE, "share", "followed", "prompt_id", "task"), "'task' for the strata"),
        ((TABLE, "share", "followed", "prompt_id", ["answer", "tasks"]), "'tasks' for the strata"),
        ((TABLE, "share", "followed", "prompt_id", "prompt_id"), "cannot be among the strata"),
        ((TABLE, "share", "answer"), "holds text such as 'Paris'"),
        ((TABLE, "when", "followed"), "needs numbers"),
        ((TABLE, "phase", "followed"), "needs numbers"),
        ((TWICE, "share", "followed"), "stands 2 times"),
    ],
)
def test_what_is_wrong_is_said(arguments, said):
    for ask in (correlate_table, forest):
        with pytest.raises(HeedError, match=said) as caught:
            ask(*arguments)
        assert str(caught.value).count(". ") == 0 and str(caught.value)[-1] in ".?"


@pytest.mark.parametrize(
    "more", [{"estimand": "both"}, {"permutations": -1}, {"resamples": "many"}, {"controls": "size"}]
)
def test_wrong_settings_are_told(more):
    with pytest.raises(HeedError):
        correlate_table(TABLE, "share", "followed", **more)


def test_within_needs_what_changes_within_a_prompt():
    with pytest.raises(StudyError, match="'structure'"):
        correlate_table(TABLE, "share", "followed", estimand="within")
    table = TABLE.assign(structure="a")
    with pytest.raises(StudyError, match="what changes there"):
        correlate_table(table, "share", "followed", strata="structure", estimand="within")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False, None], dtype="boolean"),
        pd.Series([1, 0, None], dtype="Int64"),
        pd.Series([1.0, 0.0, np.inf]),
        pd.Series([True, False, None], dtype=object),
        pd.Series(["1", "0.0", None]),
        pd.Series([np.float32(1), 0, "nan"], dtype=object),
    ],
)
def test_numbers_come_in_many_forms(column):
    got = table_columns.float_columns(pd.DataFrame({"x": column}), ["x"])[:, 0]
    assert got[:2].tolist() == [1, 0] and np.isnan(got[2])


def test_missing_is_a_level_of_its_own():
    table = pd.DataFrame({"task": ["a", None, "a", "b"], "model": ["x", "x", "y", None]})
    number, levels = table_columns.level_codes(table, ["task", "model"])
    assert len(set(number)) == 4 and len(levels) == 4
    assert table_columns.level_labels(levels)[number[1]] == "(none) · x"
    assert table_columns.level_codes(table, [])[0].tolist() == [0, 0, 0, 0] and table_columns.level_labels(
        table_columns.level_codes(table, [])[1]
    ) == ["all"]
