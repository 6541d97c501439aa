"""Tests of judges: the score from known probabilities, a whole pass with a tiny model, what cannot be asked."""

import numpy as np
import pytest

from core.errors import HeedError
from core.models import load_model
from core.probe.next_token import next_token_logs
from core.study import judging
from core.study.judging import (
    ask_judges,
    count_unjudged,
    expected_score,
    judge_text,
    judging_text,
    local_judge,
    score_tokens,
)
from core.study.own_values import define_own_metrics
from core.study.quality.own_metric import SCALES, OwnMetric
from core.study.study import Study
from tests.core import study_tiny

RIGHT = OwnMetric("right", "judge", "The answer is right.", model="nobody")


def test_the_score_is_the_expected_value_over_the_allowed_scores():
    logs = np.log(np.array([0.3, 0.1, 0.05, 0.05, 0.5]))
    assert expected_score(logs, [[0], [1]], "yes/no").value == pytest.approx(0.25)
    assert expected_score(logs, [[0, 2], [1, 3]], "yes/no").value == pytest.approx(0.15 / 0.5)
    assert expected_score(logs, [[0], [1], [2], [3], [4]], "1-5").value == pytest.approx(0.3 + 0.2 + 0.15 + 0.2 + 2.5)
    one = np.log(np.array([0.992, 0.004, 0.004]))
    found = expected_score(one, [[1], [2]], "yes/no")
    assert found.value is None and "something else" in found.why


def test_the_question_holds_prompt_answer_and_rubric():
    text = judge_text(RIGHT, "What is 2 + 2?", " Four.\n")
    assert (
        "Prompt:\nWhat is 2 + 2?\n" in text and "Answer:\nFour.\n" in text and "Rubric:\nThe answer is right." in text
    )
    assert text.endswith("Yes or No.")


class Words:
    """A tokenizer with a token for each of some words, and one for anything else."""

    known = ("<other>", "Yes", " yes", "No", "NO", "Yesterday", "▁")

    def encode(self, text, add_special_tokens=False):
        return [self.known.index(text) if text in self.known else 0]

    def decode(self, ids, **_):
        return "".join(self.known[i] for i in ids)

    def convert_ids_to_tokens(self, i):
        return self.known[i]


def test_the_tokens_of_a_score_are_those_that_spell_it_alone():
    assert score_tokens(Words(), SCALES["yes/no"]) == [[3, 4], [1, 2]]
    with pytest.raises(HeedError, match="no token of its own for “1”"):
        score_tokens(Words(), SCALES["1-5"])


@pytest.mark.slow
def test_a_study_is_judged_once_and_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    name = study_tiny.model(tmp_path)
    judge = OwnMetric("right", "judge", "The answer is right.", model=name, scale="1-5")
    study = Study(study_tiny.plan(name, 2, metrics=(judge,), controls=("instruction_first",)))
    model = load_model(name)
    ids = [[i] for i in range(5, 10)]
    monkeypatch.setattr(judging, "score_tokens", lambda *_: ids)  # a made-up tokenizer has no token “1”
    monkeypatch.setattr(judging, "LEAST_MASS", 0.0)
    assert study.run(1).over
    table = study.table()
    judged = table[~table["control"]]
    assert judged[judge.column].between(1, 5).all() and table[table["control"]][judge.column].isna().all()
    assert count_unjudged(study.db) == 0 and judging_text(study.db) == ""

    row = judged.iloc[0]
    text = judge_text(judge, study.prompts()[row["prompt_id"]], row["answer"])
    logs = next_token_logs(model, judging.judge_request(model, text)).numpy()
    assert row[judge.column] == pytest.approx(expected_score(logs, ids, "1-5").value, abs=1e-6)

    study.score()
    assert study.table()[judge.column].equals(table[judge.column]), "measuring anew keeps what the judge gave"
    cells = list(judged["cell"][:2])
    study.db.executemany(f'UPDATE runs SET "{judge.column}" = NULL WHERE cell = ?', [(c,) for c in cells])
    assert count_unjudged(study.db) == 2 and "2 answers left to judge" in judging_text(study.db)
    asked = []
    ask_judges(study.db, study.items(), local_judge(lambda _: model), lambda: asked.append(1), lambda: False)
    assert len(asked) == 2 and study.table()[judge.column].equals(table[judge.column])
    study.close()


@pytest.mark.slow
def test_a_judge_that_cannot_be_loaded_is_said_and_the_answers_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    name = study_tiny.model(tmp_path)
    study = Study(study_tiny.plan(name, 1))
    assert study.run(1).over
    before = study.table()["answer"]
    define_own_metrics(study.db, [OwnMetric("right", "judge", "It is right.", model=str(tmp_path / "nowhere"))])
    with pytest.raises(HeedError, match="nowhere"):
        study.run(1)
    with pytest.raises(HeedError, match="The judge could not be asked"):
        study.run(1, apart=True)
    assert study.table()["answer"].equals(before) and count_unjudged(study.db) == 2
    study.close()
