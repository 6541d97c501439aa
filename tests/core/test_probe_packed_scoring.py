"""Tests of texts that share one row: equal to the usual way, for every family that can be packed."""

import numpy as np
import pytest
import torch

from core import knock_out
from core.errors import Cancelled, CaptureError
from core.models.packed_attention import Packing, Piece
from core.probe import hide_units, packed_scoring, variant_scoring
from core.probe.packed_scoring import PackedText, can_pack, score_and_keep, score_packed, whole_text
from tests.core import probe_made_up as made
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow

PACKED = ["llama", "gpt2", "qwen3", "opt"]
USUAL = ["mistral", "gemma2", "bloom", "deepseek_v3"]
"""A window, capped scores, no positions given, and a cache that is not what attention is given."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    home, kept = tmp_path_factory.mktemp("models"), {}

    def get(family):
        if family not in kept:
            kept[family] = made.load(home / family, made.random(family), made.made_up.TEMPLATE)
        return kept[family]

    with made.made_up.alone(home):
        yield get


def packs(model):
    return variant_scoring._plain_attention(model) and can_pack(model)


@pytest.mark.parametrize("family", [*PACKED, *USUAL])
def test_who_can_be_packed(models, family):
    assert packs(models(family)) == (family in PACKED)


@pytest.mark.parametrize("mode", ["mask", "remove"])
@pytest.mark.parametrize("family", PACKED)
def test_packed_equals_the_usual_way(models, family, mode, monkeypatch):
    model = models(family)
    trace = run(model, "Some words. And 東京 too. All of it again", max_new_tokens=6)
    seen = []
    true = variant_scoring.score_packed
    monkeypatch.setattr(variant_scoring, "score_packed", lambda hf, t, c: seen.append(len(t)) or true(hf, t, c))
    each = knock_out(model, trace, mode=mode)
    count = len(each.units)
    several = np.zeros((2, count), bool)
    several[0, [3, 5]] = several[1, 4] = True
    pairs = hide_units(model, trace, several, mode=mode)
    assert sum(seen) > 0 and max(seen) > 1
    monkeypatch.setattr(variant_scoring, "can_pack", lambda model: False)
    seen.clear()
    usual = knock_out(model, trace, mode=mode), hide_units(model, trace, several, mode=mode)
    assert not seen
    for found, expected in zip((each, pairs), usual, strict=True):
        assert np.allclose(found.logprobs, expected.logprobs, atol=1e-4, equal_nan=True)
        assert np.isfinite(found.logprobs).any() and np.nanmax(np.abs(found.effect)) > 1e-3


def test_the_first_step_may_be_hidden_from_itself(models):
    """The prompt's last token is computed even where it is hidden, so such a variant takes the usual way."""
    hidden = np.zeros(4, bool)
    hidden[-1] = True
    assert not variant_scoring.packable(variant_scoring.Variant(np.arange(4), hidden))
    assert variant_scoring.packable(variant_scoring.Variant(np.arange(4), ~hidden))


def test_texts_of_several_runs_share_a_row(models):
    model = models("llama")
    rng = np.random.default_rng(3)
    texts = [whole_text(rng.integers(70, 120, n), rng.integers(70, 120, t)) for n, t in ((9, 4), (5, 1), (12, 7))]
    with model.lock:
        alone = [score_and_keep(model.hf, [text])[0] for text in texts]
        together = score_and_keep(model.hf, texts)
        for (a, past), (b, other) in zip(alone, together, strict=True):
            assert np.allclose(a, b, atol=1e-5)
            assert all(torch.allclose(x, y, atol=1e-5) for i in past for x, y in zip(past[i], other[i], strict=True))
        rest = [PackedText(t.ids[3:], t.positions[3:], t.answer, past, 3) for t, (_, past) in zip(texts, together)]
        for found, (expected, _) in zip(score_packed(model.hf, rest), alone, strict=True):
            assert np.allclose(found, expected, atol=1e-5)


def test_a_pass_can_be_stopped(models):
    model = models("llama")
    with model.lock, pytest.raises(Cancelled):
        score_packed(model.hf, [whole_text(np.arange(70, 75), np.arange(70, 73))], lambda: True)


def test_what_is_not_plainly_causal_is_refused():
    q = torch.zeros(1, 2, 3, 4)
    packing = Packing([Piece(0, 3)])
    for mask, settings in ((torch.ones(1, 1, 3, 3), {}), (None, {"softcap": 5.0}), (None, {"sliding_window": 2})):
        with pytest.raises(CaptureError, match="packed"):
            packing.attend(0, q, q, q, mask, settings)
    assert packing.attend(0, q, q, q, None, {"scaling": 0.5}).shape == (1, 3, 2, 4)


def test_short_variants_come_first_and_the_part_done_is_told_by_work(models, monkeypatch):
    model, told = models("llama"), []
    trace = run(model, "one two three four five six", max_new_tokens=3)
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 1)
    true = variant_scoring.score_packed
    sizes = []
    monkeypatch.setattr(variant_scoring, "score_packed", lambda hf, t, c: sizes.append(len(t[0].ids)) or true(hf, t, c))
    knock_out(model, trace, progress=lambda fraction, text, stream=None: told.append(fraction))
    assert sizes == sorted(sizes) and len(set(sizes)) > 2
    fractions = told[1:]
    assert fractions[0] == 0 and fractions == sorted(fractions)
    half = len(sizes) // 2
    assert fractions[half] < 0.5, "the first half of the variants is the smaller part of the work"


def test_packed_scoring_is_tried_once(models, monkeypatch):
    model = models("llama")
    assert packs(model)
    monkeypatch.setattr(packed_scoring, "score_and_keep", lambda *a: 1 / 0)
    assert packs(model)
