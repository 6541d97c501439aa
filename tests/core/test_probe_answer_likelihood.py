"""Tests of many answers scored in one pass: equal to a run each that reads the given answer, with and without a cache."""

import numpy as np
import pytest

from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.probe.answer_likelihood import PromptScorer, answer_likelihoods
from tests.core import probe_made_up as made

PROMPT = "What colour is grass in May?"


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2", "bloom"])
def test_answers_of_any_length_score_as_each_alone(tmp_path, family):
    model = made.load(tmp_path, made.random(family, max_position_embeddings=256))
    answers = ("Green, I think.", "B", "Blue.")
    runs = [capture(model, make_request(model.key, PROMPT, answer=answer)) for answer in answers]
    prompt = np.array(runs[0].token_ids[: runs[0].prompt_length])
    asked = [np.array(r.token_ids[r.prompt_length :]) for r in runs]
    scorer = PromptScorer(model, prompt)
    for found in (answer_likelihoods(model, prompt, asked), scorer.score(asked), scorer.score(asked)):
        for run, logs in zip(runs, found, strict=True):
            assert np.allclose(logs, run.logprobs, atol=2e-5)
    alone = [answer_likelihoods(model, prompt, [one])[0] for one in asked]
    assert all(np.allclose(a, r.logprobs, atol=2e-5) for a, r in zip(alone, runs, strict=True))


def test_an_empty_answer_has_no_score(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    found = answer_likelihoods(model, np.array([3, 4, 5]), [np.zeros(0, np.int64), np.array([7])])
    assert [len(one) for one in found] == [0, 1]
    assert answer_likelihoods(model, np.array([3, 4, 5]), []) == []
