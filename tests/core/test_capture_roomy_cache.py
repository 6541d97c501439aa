"""Tests of the cache with room: what attention sees is what the library's own cache would have shown it, always."""

import pytest
import torch
from transformers import DynamicCache

from core.capture import decode, roomy_cache
from core.capture.build_request import make_request
from core.capture.run_model import capture
from tests.core import probe_made_up as made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made.load(tmp_path_factory.mktemp("llama"), made.random("llama", max_position_embeddings=256))


@pytest.mark.parametrize("room", [1, 5, 100])
def test_tokens_come_back_as_from_the_librarys_cache(monkeypatch, model, room):
    monkeypatch.setattr(roomy_cache, "MORE_ROOM", 1)
    ours, theirs = roomy_cache.roomy_cache(model, room), DynamicCache()
    torch.manual_seed(0)
    for count in (4, 1, 1, 3, 1):
        for layer in range(model.ref.layers):
            new = torch.randn(2, 2, 2, count, 8)
            for a, b in zip(ours.update(*new, layer), theirs.update(*new, layer), strict=True):
                assert torch.equal(a, b)
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_a_run_is_the_same_to_the_last_bit(monkeypatch, model):
    request = make_request(model.key, "The sky is blue and the sea is green.", max_new_tokens=12)
    found = capture(model, request)
    monkeypatch.setattr(decode, "roomy_cache", lambda *_: None)
    plain = capture(model, request)
    assert found.token_ids.tolist() == plain.token_ids.tolist()
    assert found.logprobs.tobytes() == plain.logprobs.tobytes()
    assert found.rows.packed.tobytes() == plain.rows.packed.tobytes() and found.norms.tobytes() == plain.norms.tobytes()


def test_models_with_windows_keep_the_librarys_cache(tmp_path):
    windowed = made.load(tmp_path, made.random("mistral", max_position_embeddings=256, sliding_window=8))
    assert roomy_cache.roomy_cache(windowed, 10) is None
