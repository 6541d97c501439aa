"""Tests of own metrics in a study: part of the plan, filled in for finished runs, kept when all is measured again."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from core.errors import PromptError
from core.study.own_values import cells_lacking_metric, define_own_metrics
from core.study.plan import Plan
from core.study.quality.own_metric import OwnMetric
from core.study.study import Study
from tests.core import study_tiny
from tests.pages import rate_made_up

BLUE = OwnMetric("says blue", "contains", "blue", ignore_case=True)


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


@pytest.fixture
def rated():
    """A finished study with made-up answers: no model runs."""
    made = rate_made_up.study()
    yield made
    made.close()


def test_a_plan_without_own_metrics_keeps_its_bytes_and_one_with_them_comes_back():
    plain = study_tiny.plan("tiny")
    assert '"metrics"' not in plain.canonical and '"metrics"' not in plain.to_json()
    own = replace(plain, metrics=(BLUE,))
    again = Plan.from_json(own.to_json())
    assert again == own and again.id == own.id != plain.id and again.metrics == (BLUE,)
    given = Plan.from_json(json.dumps(plain.plain() | {"metrics": [{"name": "a", "kind": "contains", "text": "x"}]}))
    assert given.metrics[0].column == "own:a"
    with pytest.raises(PromptError, match="no regular expression"):
        Plan.from_json(json.dumps(plain.plain() | {"metrics": [{"name": "a", "kind": "regex", "text": "("}]}))
    with pytest.raises(PromptError, match="wrong type"):
        Plan.from_json(json.dumps(plain.plain() | {"metrics": 3}))


@pytest.fixture
def ran(tmp_path):
    """A finished study of a tiny model, which is deleted: nothing here may need it again."""
    made = Study(study_tiny.plan(study_tiny.model(tmp_path), 3))
    assert made.run(1).over
    shutil.rmtree(tmp_path / "model")
    yield made
    made.close()


@pytest.mark.slow
def test_a_finished_study_gets_the_metric_without_its_model(ran):
    first = ran.table()["answer"].iloc[0]
    metric = OwnMetric("like the first", "equals", first)
    define_own_metrics(ran.db, [metric])
    assert ran.table()[metric.column].isna().all(), "a column before it is computed"
    assert ran.run(1).over
    table = ran.table()
    equal = table["answer"].str.strip() == first.strip()
    settled = table[metric.column].notna()
    assert (table[metric.column][settled] == equal[settled]).all() and settled.sum() + (
        ~settled & table["truncated"]
    ).sum() == 6
    assert cells_lacking_metric(ran.db, metric.column) == []

    before = table[metric.column]
    ran.score()
    pd.testing.assert_series_equal(ran.table()[metric.column], before)
    define_own_metrics(ran.db, [replace(metric, negate=True)])
    assert ran.table()[metric.column].isna().all(), "a new definition under an old name is computed anew"
    ran.run(1)
    pd.testing.assert_series_equal(ran.table()[metric.column], 1 - before)
    define_own_metrics(ran.db, [])
    assert metric.column not in ran.table() and Study(ran.id).plan.metrics == ()
    define_own_metrics(ran.db, [replace(metric, negate=True)])
    pd.testing.assert_series_equal(ran.table()[metric.column], 1 - before)  # taken away and back: nothing is lost


@pytest.mark.slow
def test_runs_made_later_have_the_metric_at_once_and_scores_of_given_answers_are_columns(tmp_path):
    given = study_tiny.item(7, answer="red", scores={"passed:match": 1.0, "score:f1": 0.5})
    metric = OwnMetric("says red", "contains", "red")
    study = Study(study_tiny.plan(study_tiny.model(tmp_path), 1, items=(study_tiny.item(0), given), metrics=(metric,)))
    assert study.run(1).over
    table = study.table().set_index("prompt_id")
    assert (table.loc["item-7", "own:says red"] == 1).all() and (table.loc["item-7", "score:f1"] == 0.5).all()
    assert (table.loc["item-7", "passed:match"] == 1).all() and table.loc["item-0", "passed:match"].isna().all()
    assert Plan.from_json(study.plan.to_json()).items[1].scores == given.scores
    study.close()


def test_a_pattern_that_does_not_end_on_a_stored_answer_is_refused_and_nothing_changes(rated):
    rated.db.execute("UPDATE runs SET answer = ?", ["q" * 300])
    slow = OwnMetric("slow", "regex", "(q|qq)+w")
    with pytest.raises(PromptError, match="takes longer"):
        define_own_metrics(rated.db, [slow])
    assert rated.plan.metrics == ()


def test_values_that_are_stored_later_outlive_measuring_again(rated):
    judge = OwnMetric("right", "judge", "It is right.", model="nobody")
    define_own_metrics(rated.db, [judge])
    cells = [row["cell"] for row in cells_lacking_metric(rated.db, judge.column)]
    rated.db.execute(f'UPDATE runs SET "{judge.column}" = 0.25 WHERE cell = ?', [cells[0]])
    why = json.dumps({judge.column: "the prompt is too long"})
    rated.db.execute("UPDATE runs SET why = ? WHERE cell = ?", [why, cells[1]])
    rated.score()
    table = rated.table().set_index("cell")
    assert table.loc[cells[0], judge.column] == 0.25
    assert json.loads(table.loc[cells[1], "why"])[judge.column] == "the prompt is too long"
    assert len(cells_lacking_metric(rated.db, judge.column)) == len(cells) - 2
