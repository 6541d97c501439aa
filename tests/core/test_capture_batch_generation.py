"""Tests batched runs against the same runs one at a time, on families with different positions and masks."""

import numpy as np
import pytest

from core import explain
from core.capture import capture, capture_all, make_request
from core.capture.batch_generation import can_batch, near_ties
from core.errors import Cancelled, HeedError
from tests.core import probe_made_up as made

pytestmark = pytest.mark.slow

PROMPTS = (
    "[[instruction: One word:]] sky?",
    "a",
    "[[context: The sea is deep, and blue, and cold.]] [[question: How is it?]]",
    "東京 two",
    "Name three.",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    kept = {}

    def get(family, **extra):
        if family not in kept:
            kept[family] = made.load(home / family, made.random(family, **extra), made.made_up.TEMPLATE)
        return kept[family]

    with made.made_up.alone(home):
        yield get


def asked(model, **settings):
    return [make_request(model.key, p, **{"max_new_tokens": 6, **settings}) for p in PROMPTS]


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral", "gpt_neox", "bloom"])
@pytest.mark.parametrize("keep", ["all", "reduced"])
def test_a_batch_is_what_single_runs_are(models, family, keep):
    model = models(family)
    requests = asked(model, keep=keep)
    got = dict(capture_all(model, requests, batch=3))
    assert sorted(got) == list(range(len(PROMPTS)))
    for i, request in enumerate(requests):
        alone, batched = capture(model, request), got[i]
        assert batched.request == request and batched.finish == alone.finish
        assert batched.tokens.texts == alone.tokens.texts and batched.tokens.parts == alone.tokens.parts
        np.testing.assert_allclose(batched.logprobs, alone.logprobs, atol=1e-4)
        np.testing.assert_allclose(batched.entropy, alone.entropy, atol=1e-4)
        np.testing.assert_array_equal(batched.alternative_ids[:, 0], alone.alternative_ids[:, 0])
        np.testing.assert_array_equal(batched.ranks, alone.ranks)
        np.testing.assert_allclose(batched.mass, alone.mass, atol=1e-5)
        assert (alone.norms is None) == (batched.norms is None) == (keep == "reduced")
        if keep == "all":
            np.testing.assert_allclose(batched.norms, alone.norms, rtol=2e-3)  # 16 bits
        np.testing.assert_allclose(explain(batched).values, explain(alone).values, atol=4e-5)
        np.testing.assert_allclose(batched.mass[..., :6].sum(-1), 1, atol=1e-5)


def test_each_ends_where_it_would_alone(models):
    """A model that soon generates its end token, so that the rows of a batch end at different steps."""
    model = models("llama")
    ids = [capture(model, r).token_ids[-6:] for r in asked(model)]
    model.hf.generation_config.eos_token_id = int(ids[0][2])
    try:
        singles = [capture(model, r) for r in asked(model)]
        got = dict(capture_all(model, asked(model)))
    finally:
        model.hf.generation_config.eos_token_id = None
    assert singles[0].finish == "end" and len({s.steps for s in singles}) > 1, "they differ in length"
    for i, alone in enumerate(singles):
        assert got[i].token_ids.tolist() == alone.token_ids.tolist() and got[i].finish == alone.finish
        np.testing.assert_allclose(got[i].mass, alone.mass, atol=1e-5)
        np.testing.assert_allclose(got[i].norms, alone.norms, rtol=2e-3)


def test_what_cannot_share_a_batch_goes_alone_and_a_bad_one_leaves_the_rest(models):
    model = models("llama")
    requests = [
        *asked(model)[:2],
        make_request(model.key, "x", temperature=1.0, seed=3, max_new_tokens=4),
        make_request(model.key, "x", answer="yes"),
        make_request(model.key, "far too long " * 40, max_new_tokens=6),
    ]
    assert [can_batch(r) for r in requests] == [True, True, False, False, True]
    got = dict(capture_all(model, requests))
    assert got[2].answer == capture(model, requests[2]).answer and got[3].finish == "given"
    assert isinstance(got[4], HeedError) and "reads at most" in str(got[4])
    assert got[0].steps == 6


def test_limits_are_not_mixed_and_cancelling_stops(models):
    model = models("llama")
    requests = [make_request(model.key, p, max_new_tokens=n) for p, n in zip(PROMPTS, (2, 5, 2, 5, 3))]
    got = dict(capture_all(model, requests))
    assert [got[i].steps for i in range(5)] == [2, 5, 2, 5, 3]
    with pytest.raises(Cancelled):
        list(capture_all(model, requests, cancelled=lambda: True))


def test_near_ties_are_counted(models):
    trace = capture(models("llama"), asked(models("llama"))[0])
    gaps = trace.alternative_logprobs[:, 0] - trace.alternative_logprobs[:, 1]
    assert near_ties(trace) == int((gaps < 1e-4).sum())
