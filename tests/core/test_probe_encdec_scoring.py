"""Hiding words from encoder-decoders: equal to a plain pass without them, batched or not, and clear refusals."""

import numpy as np
import pytest
import torch

from core.capture import capture, make_request
from core.errors import Cancelled, MethodError
from core.probe import attribute, encdec_scoring, hide_units, knock_out, next_tokens
from core.probe.scorers import words_leak
from core.probe.segment_ablation import ablate_segments
from tests.core.kinds_made_up import ENCDECS, build_kind
from tests.core.test_capture_encdec import ANSWER, PROMPT, asked, model_of
from tests.core.test_capture_text_maps import KEY, made


def plain_logs(model, trace, ids, mask):
    """Log-probabilities of the run's answer by a pass of the library."""
    answer = torch.from_numpy(trace.token_ids[trace.prompt_length :].copy())
    behind = torch.cat([torch.tensor([model.hf.config.decoder_start_token_id]), answer[:-1]])
    with torch.no_grad():
        logits = model.hf(
            input_ids=torch.tensor([ids]), attention_mask=torch.tensor([mask]), decoder_input_ids=behind[None]
        ).logits[0]
    return torch.log_softmax(logits, -1).gather(1, answer[:, None])[:, 0].numpy()


@pytest.mark.parametrize("family", ENCDECS)
def test_a_hidden_word_is_read_by_nothing(family, monkeypatch):
    model = model_of(family)
    trace = capture(model, asked(answer=ANSWER))
    probe = knock_out(model, trace, "token")
    p, ids = trace.prompt_length, trace.token_ids[: trace.prompt_length].tolist()
    np.testing.assert_allclose(probe.base, trace.logprobs, atol=1e-4)
    for unit in range(p):
        mask = [int(i != unit) for i in range(p)]
        np.testing.assert_allclose(probe.logprobs[unit], plain_logs(model, trace, ids, mask), atol=1e-4)
    assert np.abs(probe.effect).max() > 1e-3
    monkeypatch.setitem(encdec_scoring.PASS_TOKENS, "cpu", 1)
    np.testing.assert_allclose(knock_out(model, trace, "token").logprobs, probe.logprobs, atol=1e-4)


@pytest.mark.parametrize("family", ["t5", "bart", "m2m_100"])
def test_a_removed_word_is_a_prompt_without_it(family):
    model = model_of(family)
    trace = capture(model, asked(answer=ANSWER))
    probe = knock_out(model, trace, "word", "remove")
    word = probe.units.labels.index("blue")
    ids = model.tokenizer(PROMPT.replace(" blue", ""))["input_ids"]
    np.testing.assert_allclose(probe.logprobs[word], plain_logs(model, trace, ids, [1] * len(ids)), atol=1e-4)
    parts = {"blue": [(0, 11, 15)]}
    found = ablate_segments(model, trace, parts)
    np.testing.assert_allclose(found["blue", "remove"], probe.effect[word], atol=1e-4)
    hidden = knock_out(model, trace, "word").effect[word]
    np.testing.assert_allclose(found["blue", "mask"], hidden, atol=1e-4)


def test_an_input_of_which_nothing_is_left_has_no_score():
    model = model_of("bart")
    trace = capture(model, asked(answer=ANSWER))
    everything = np.ones((2, trace.prompt_length), bool)
    everything[1, 3] = False
    found = hide_units(model, trace, everything, "token").logprobs
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_a_model_that_lets_hidden_words_through_is_seen(monkeypatch):
    model = model_of("bart")
    assert not words_leak(model)
    plain = model.hf.forward
    monkeypatch.setattr(model.hf, "forward", lambda attention_mask=None, **more: plain(**more))
    assert words_leak(model)
    trace = capture(model_of("bart"), asked(answer=ANSWER))
    with pytest.raises(MethodError, match="Words cannot be hidden from Tiny"):
        knock_out(model, trace)


def test_a_stopped_knock_out_goes_on():
    from core.probe.ablation import KnownScores

    model = model_of("t5")
    trace = capture(model, asked(answer=ANSWER))
    calls = iter([False, True])
    known = KnownScores()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Cancelled):
        patch.setitem(encdec_scoring.PASS_TOKENS, "cpu", 1)
        knock_out(model, trace, known=known, cancelled=lambda: next(calls, True))
    assert len(known.rows) == 1
    np.testing.assert_allclose(
        knock_out(model, trace, known=known).logprobs, knock_out(model, trace).logprobs, atol=1e-4
    )


def test_what_is_not_computed_says_so():
    model = model_of("t5")
    trace = capture(model, asked(answer=ANSWER))
    for kind in ("input-x-gradient", "rollout"):
        with pytest.raises(
            MethodError, match="is not computed for an encoder-decoder such as Tiny: choose Leaving out"
        ):
            attribute(model, trace, kind)


def test_next_tokens_are_the_decoders_first():
    model = model_of("bart")
    request = make_request(KEY, PROMPT, raw=True)
    found = next_tokens(model, [request], k=5)
    ids = model.tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logs = torch.log_softmax(model.hf(ids, decoder_input_ids=torch.tensor([[3]])).logits[0, -1], -1)
    np.testing.assert_allclose(found.logprobs[0], logs[list(found.ids)], atol=1e-5)
    with pytest.raises(Exception, match="is an encoder: it writes no answer"):
        next_tokens(made(build_kind("bert"), "encoder"), [request])
