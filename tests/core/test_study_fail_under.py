"""Tests of least values: what is below says by how much and over how many, an unknown metric lists those there are."""

import numpy as np
import pandas as pd
import pytest

from core.errors import PromptError
from core.study import commands, database
from core.study.fail_under import below_limits, parse_limits
from core.study.own_values import define_own_metrics
from core.study.quality.own_metric import OwnMetric
from tests.pages import rate_made_up


def runs(**more):
    table = pd.DataFrame({"followed": [1.0, 0.0, 1.0, np.nan, 0.0], "correct": np.nan, "own:says is": 1.0})
    return table.assign(control=[False] * 4 + [True], error="", **more)


def test_a_mean_below_its_limit_is_said_with_value_and_count():
    assert below_limits(runs(), {"followed": 0.7}) == [
        "All instructions followed (followed) is 0.667 (n = 3), below 0.7."
    ]
    assert below_limits(runs(), {"followed": 2 / 3}) == [] == below_limits(runs(), {"says is": 1.0, "own:says is": 1.0})
    assert below_limits(runs(), {"correct": 0.1}) == [
        "Correct (correct) has no value in 4 runs: it should be at least 0.1."
    ]
    failed = runs().assign(error=["", "No memory.", "", "", ""])
    assert below_limits(failed, {"followed": 1.0}) == []


def test_what_cannot_be_compared_is_one_sentence():
    with pytest.raises(
        PromptError, match="There is no metric 'folowed' in this study: choose from own:says is, correct, followed"
    ):
        below_limits(runs(), {"folowed": 0.7})
    for text in ("followed", "followed=much", "=0.7"):
        with pytest.raises(PromptError, match="METRIC=NUMBER"):
            parse_limits([text])
    assert parse_limits(["followed=0.7", "a=b=1"]) == {"followed": 0.7, "a=b": 1.0}


def test_the_command_ends_with_a_status_and_a_sentence_for_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    made = rate_made_up.study()
    define_own_metrics(made.db, [OwnMetric("mine", "contains", "x")])
    database.add_columns(made.db, ["correct", "own:mine"])
    made.db.execute(
        'UPDATE runs SET correct = 0.5, "own:mine" = 1, why = \'{"relevance_rank": "", "relevance_cosine": ""}\''
    )
    assert commands.main(["run", made.id, "--fail-under", "correct=0.5", "--fail-under", "mine=1"]) == 0
    assert commands.main(["run", made.id, "--fail-under", "correct=0.6", "--fail-under", "mine=1"]) == 1
    assert "Correct (correct) is 0.5 (n = 4), below 0.6." in capsys.readouterr().out
    assert commands.main(["run", made.id, "--fail-under", "nothing=0.6"]) == 1
    assert "There is no metric 'nothing' in this study: choose from own:mine, correct" in capsys.readouterr().out
    made.close()
