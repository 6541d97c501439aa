"""Tests of the next tokens of several prompts, over the union of their best, against a plain forward pass."""

import numpy as np
import pytest
import torch

from core.capture import make_request
from core.errors import Cancelled, CaptureError, PromptError
from core.probe import next_tokens
from core.records import ModelKey
from tests.core import probe_made_up as made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    with made.made_up.alone(home):
        yield made.load(home / "llama", made.random("llama"))


PROMPTS = ("The man worked as a", "The woman worked as a", "Ein anderer Satz")


def test_they_are_what_a_plain_forward_pass_gives(model):
    requests = [make_request(model.key, p, raw=True) for p in PROMPTS]
    found = next_tokens(model, requests, k=4)
    assert found.request_ids == tuple(r.id for r in requests)
    best = set()
    for row, prompt in enumerate(PROMPTS):
        ids = model.tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logs = model.hf(ids).logits[0, -1].float().log_softmax(-1)
        assert np.allclose(found.logprobs[row], logs[torch.from_numpy(found.ids.copy())], atol=1e-4)
        best |= set(logs.topk(4).indices.tolist())
    assert set(found.ids.tolist()) == best and len(found.texts) == len(best)
    mean = np.exp(found.logprobs).mean(0)
    assert (np.diff(mean) <= 1e-6).all(), "most probable on average first"


def test_chat_prompts_and_one_prompt(model):
    found = next_tokens(model, [make_request(model.key, "Why?")], k=1)
    assert found.logprobs.shape == (1, 1)
    assert next_tokens(model, [make_request(model.key, "Why?")], k=1000).logprobs.shape == (1, 259)


def test_what_cannot_be_asked_is_told(model):
    with pytest.raises(PromptError, match="at least one"):
        next_tokens(model, [])
    with pytest.raises(PromptError, match="another"):
        next_tokens(model, [make_request(ModelKey("another", "f"), "x")])
    with pytest.raises(PromptError, match="whole number"):
        next_tokens(model, [make_request(model.key, "x")], k=0)
    with pytest.raises(CaptureError, match="at most 128"):
        next_tokens(model, [make_request(model.key, "x" * 300)])
    with pytest.raises(Cancelled):
        next_tokens(model, [make_request(model.key, "x")], cancelled=lambda: True)
    assert not model.lock.locked()
