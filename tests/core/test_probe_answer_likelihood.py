"""Tests of many answers scored in one pass: equal to a run each that reads the given answer."""

import numpy as np

from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.probe.answer_likelihood import answer_likelihoods
from tests.core import probe_made_up as made


def test_many_pairs_score_as_each_alone(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    runs = [
        capture(model, make_request(model.key, prompt, answer=answer))
        for prompt, answer in (("Sky?", "Blue."), ("What colour is grass in May?", "Green, I think."), ("A", "b"))
    ]
    pairs = [(np.array(r.token_ids[: r.prompt_length]), np.array(r.token_ids[r.prompt_length :])) for r in runs]
    empty = (pairs[0][0], np.zeros(0, np.int64))
    found = answer_likelihoods(model, [*pairs, empty])
    for run, logs in zip(runs, found, strict=False):
        assert np.allclose(logs, run.logprobs, atol=1e-5)
    assert len(found[3]) == 0 and answer_likelihoods(model, []) == []
