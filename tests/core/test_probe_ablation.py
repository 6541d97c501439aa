"""Tests of knock-outs on models with known importance, against hand-made masks and hand-made runs."""

import numpy as np
import pytest

from core import explain, knock_out
from core.errors import Cancelled, CaptureError, MethodError, ModelError
from core.probe import hide_units, variant_scoring
from core.text.deletion import delete_spans
from tests.core import probe_made_up as made
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow

BACK = 9
PROMPT = "ab cd,ef;gh"  # no letter twice


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    kept = {}

    def get(family, template=made.made_up.TEMPLATE, **extra):
        name = f"{family}{'' if template else '-raw'}{''.join(map(str, extra.values()))}"
        if name not in kept:
            kept[name] = made.load(home / name, made.random(family, **extra), template)
        return kept[name]

    get.home = home
    with made.made_up.alone(home):
        yield get


@pytest.fixture(scope="module")
def copier(models):
    return made.load(models.home / "copier", made.copier(BACK), None)


@pytest.fixture(scope="module")
def chat(models):
    """A run of a chat with a system message, a segment and a generated answer."""
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "[[context: One two three.]] Four 東京 five?"},
    ]
    return run(models("llama"), said, max_new_tokens=7)


def copied(copier, prompt=PROMPT, steps=5):
    """A run whose answer is copied from the prompt: step t repeats the byte ``BACK`` positions before its query."""
    trace = run(copier, prompt, max_new_tokens=steps)
    p = trace.prompt_length
    at = [p - 1 + t - BACK for t in range(steps)]
    assert trace.token_ids[p:].tolist() == [int(trace.token_ids[i]) for i in at], "the model copies"
    return trace, at


def test_only_the_copied_token_has_an_effect(copier):
    trace, at = copied(copier)
    effect = knock_out(copier, trace, units="token").effect
    assert effect.shape == (trace.prompt_length, trace.steps)
    for step, token in enumerate(at):
        others = np.delete(effect[:, step], token)
        assert effect[token, step] > 1 and np.abs(others).max() < 1e-6


@pytest.mark.parametrize("method", ["mean-attention", "value-weighted", "value-written"])
def test_methods_of_attention_find_the_copied_token(copier, method):
    trace, at = copied(copier)
    found = explain(trace, method, inputs="all").values
    assert (found.argmax(1) == at).all()
    assert np.allclose(found.max(1), found.sum(1), rtol=1e-3), "and nothing else"
    if method == "value-written":
        assert np.ptp(found.max(1)) < 1e-3, "every token is written alike"


def test_only_the_copied_words_have_an_effect(copier):
    trace, at = copied(copier)
    probe = knock_out(copier, trace)
    heat = explain(trace, granularity="word")
    assert probe.units.labels == heat.columns.labels, "x and y of read x effect share an index"
    has = np.abs(probe.effect).max(1) > 1
    copied_words = {int(u) for u, t in zip(probe.units.unit, probe.units.token, strict=True) if t in at}
    assert set(np.flatnonzero(has)) == copied_words
    assert np.abs(probe.effect[~has]).max() < 1e-6


def test_a_word_that_no_row_reads_has_no_effect(models):
    """One layer with a window of five, so that tokens before the window have a weight of exactly zero."""
    model = models("mistral", None, num_hidden_layers=1)
    trace = run(model, "far away, and near", max_new_tokens=3)
    probe = knock_out(model, trace)
    shares = explain(trace, granularity="word").values.max(0)
    assert (shares == 0).any() and (shares > 0).any()
    assert np.abs(probe.effect[shares == 0]).max() < 1e-6
    assert (np.abs(probe.effect[shares > 0]).max(1) > 1e-4).all()


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "opt"])
def test_hidden_is_what_a_mask_of_our_own_gives(models, family):
    model = models(family, None)
    trace = run(model, "one two, three", max_new_tokens=6)
    probe = knock_out(model, trace)
    ids, p = trace.token_ids.tolist(), trace.prompt_length
    for unit in range(len(probe.units)):
        hidden = probe.units.tokens_of(unit).tolist()
        logs = made.explicit(model.hf, ids, hidden)
        expected = [float(logs[p - 1 + t, ids[p + t]]) for t in range(trace.steps)]
        if p - 1 in hidden:  # the query of the first step is hidden from itself too
            assert np.allclose(probe.logprobs[unit, 1:], expected[1:], atol=1e-4)
        else:
            assert np.allclose(probe.logprobs[unit], expected, atol=1e-4)


FAMILIES = ["llama", "mistral", "gemma2", "gpt_oss", "opt", "deepseek_v3", "bloom"]


@pytest.mark.parametrize("mode", ["mask", "remove"])
@pytest.mark.parametrize("family", FAMILIES)
def test_batched_equals_one_at_a_time(models, family, mode, monkeypatch):
    model = models(family)
    trace = run(model, "Some words, and 東京 too", max_new_tokens=6)
    together = knock_out(model, trace, mode=mode)
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 1)
    monkeypatch.setattr(variant_scoring, "_plain_attention", lambda model: False)
    single = knock_out(model, trace, mode=mode)
    assert np.allclose(together.logprobs, single.logprobs, atol=1e-4, equal_nan=True)
    assert np.allclose(together.base, trace.logprobs, atol=1e-4)
    assert np.isfinite(together.logprobs).any()


def test_what_comes_before_is_computed_once(models, monkeypatch):
    """Families with plain attention start from the key-value cache of the first pass; the others do not."""
    seen = []
    true = variant_scoring.Scorer._cut
    monkeypatch.setattr(
        variant_scoring.Scorer, "_cut", lambda self, start, size: seen.append(start) or true(self, start, size)
    )
    for family, shares in (("llama", True), ("mistral", False), ("bloom", False)):
        model = models(family)
        knock_out(model, run(model, "Some words too", max_new_tokens=3))
        assert (max(seen) > 0) == shares, family
        seen.clear()


def test_removed_is_a_fresh_run_of_the_edited_prompt(models, chat):
    model = models("llama")
    probe = knock_out(model, chat, mode="remove")
    answer = chat.token_ids[chat.prompt_length :].tolist()
    user = [u for u in range(len(probe.units)) if probe.units.message[u] >= 0]
    for unit in user:
        span = (int(probe.units.message[unit]), int(probe.units.start[unit]), int(probe.units.end[unit]))
        said = [{"role": m.role, "content": m.content} for m in delete_spans(chat.request, [span]).messages]
        again = run(model, said, answer=answer)
        assert np.allclose(probe.logprobs[unit], again.logprobs, atol=1e-4)
    markup = np.setdiff1d(np.arange(len(probe.units)), user)
    assert len(user) and len(markup) and np.isnan(probe.logprobs[markup]).all() and "markup" in probe.notes[0]


def test_hidden_is_not_removed(models, chat):
    model = models("llama")
    hidden, removed = (knock_out(model, chat, "segment", mode) for mode in ("mask", "remove"))
    at = hidden.units.labels.index("context")
    assert hidden.mode == "mask" and removed.mode == "remove"
    assert np.abs(hidden.effect[at] - removed.effect[at]).max() > 1e-3
    assert np.array_equal(hidden.masks, np.eye(len(hidden.units), dtype=bool))


@pytest.mark.parametrize("mode", ["mask", "remove"])
@pytest.mark.parametrize("units", ["token", "word", "sentence", "segment", "role"])
def test_every_granularity(models, chat, units, mode):
    probe = knock_out(models("llama"), chat, units, mode)
    assert probe.units.labels == explain(chat, granularity=units).columns.labels
    own = [u for u in range(len(probe.units)) if probe.units.roles[u] != "template"]
    assert np.isfinite(probe.logprobs[own]).all()


def test_several_together_are_what_they_are_alone(models, chat):
    model = models("llama")
    each = knock_out(model, chat)
    one = hide_units(model, chat, each.masks[4])
    assert one.masks.shape == (1, len(each.units)) and np.allclose(one.logprobs[0], each.logprobs[4], atol=1e-4)
    pair = each.masks[4] | each.masks[6]
    both = hide_units(model, chat, [pair, pair])
    assert np.allclose(both.logprobs[0], both.logprobs[1], atol=1e-4)
    ids = chat.token_ids.tolist()
    hidden = [*each.units.tokens_of(4).tolist(), *each.units.tokens_of(6).tolist()]
    logs = made.explicit(model.hf, ids, hidden)
    p = chat.prompt_length
    assert np.allclose(both.logprobs[0], [float(logs[p - 1 + t, ids[p + t]]) for t in range(chat.steps)], atol=1e-4)


def test_hiding_nothing_changes_nothing_and_hiding_all_has_a_value(models, chat):
    model = models("llama")
    count = len(explain(chat, granularity="word").columns)
    for mode in ("mask", "remove"):
        assert np.abs(hide_units(model, chat, [False] * count, mode=mode).effect).max() < 1e-4
    probe = hide_units(model, chat, [[False] * count, [True] * count])
    assert np.isfinite(probe.logprobs).all() and np.abs(probe.effect[1]).max() > 1e-3
    gone = hide_units(model, chat, [[True] * count], mode="remove")
    assert np.isnan(gone.logprobs).all() and gone.notes


def test_nothing_left_of_the_prompt_has_no_value(models):
    model = models("llama", None)
    trace = run(model, "word", max_new_tokens=2)
    probe = knock_out(model, trace, mode="remove")
    assert np.isnan(probe.logprobs).all() and "remain" in probe.notes[0]


def test_token_ids_are_cut_from_the_ids(models):
    model = models("llama")
    trace = run(model, [70, 71, 72, 73], max_new_tokens=3)
    probe = knock_out(model, trace, "token", "remove")
    answer = trace.token_ids[4:].tolist()
    assert np.allclose(probe.logprobs[1], run(model, [70, 72, 73], answer=answer).logprobs, atol=1e-4)


def test_an_answer_of_one_token(models):
    model = models("llama")
    trace = run(model, "a b", max_new_tokens=1)
    for mode in ("mask", "remove"):
        probe = knock_out(model, trace, mode=mode)
        assert probe.logprobs.shape == (len(probe.units), 1) and np.allclose(probe.base, trace.logprobs, atol=1e-4)


@pytest.mark.parametrize("family", ["lfm2", "mamba"])
def test_what_cannot_be_hidden_can_be_removed(models, family):
    model = models(family, None)
    trace = run(model, "one two three", max_new_tokens=3)
    with pytest.raises(MethodError, match='mode="remove"'):
        knock_out(model, trace)
    probe = knock_out(model, trace, mode="remove")
    answer = trace.token_ids[trace.prompt_length :].tolist()
    assert np.allclose(probe.logprobs[0], run(model, "two three", answer=answer).logprobs, atol=1e-4)


def test_progress_and_cancel(models, chat, monkeypatch):
    model, told, done = models("llama"), [], []
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 1)

    def progress(fraction, text, stream=None):
        told.append((fraction, text))

    probe = knock_out(model, chat, progress=progress)
    assert told[1][1] == f"Without word 1 of {len(probe.units)}" and told[-1][0] < 1
    assert [f for f, _ in told[1:]] == sorted(f for f, _ in told[1:])
    with pytest.raises(Cancelled):
        knock_out(model, chat, progress=lambda f, t, s=None: done.append(f), cancelled=lambda: len(done) > 4)
    assert len(done) == 5 and not model.lock.locked()


def test_what_cannot_be_asked_is_one_sentence(models, chat, copier):
    model = models("llama")
    with pytest.raises(ModelError, match="load_model"):
        knock_out("llama", chat)
    with pytest.raises(MethodError, match="trace"):
        knock_out(model, "chat")
    with pytest.raises(MethodError, match="mask, remove"):
        knock_out(model, chat, mode="delete")
    with pytest.raises(MethodError, match="token, word"):
        knock_out(model, chat, units="letter")
    with pytest.raises(MethodError, match="load the model that made it"):
        knock_out(copier, chat)
    with pytest.raises(MethodError, match="True or False"):
        hide_units(model, chat, [[1, 0]])


def test_what_fails_inside_a_model_is_one_sentence(models, chat, monkeypatch):
    model = models("llama")
    monkeypatch.setattr(model.hf.model, "forward", lambda *a, **k: 1 / 0)
    with pytest.raises(CaptureError, match="failed while it ran"):
        knock_out(model, chat)
    assert not model.lock.locked()


def test_memory_decides_the_size_of_a_batch(models, chat, monkeypatch):
    model, sizes = models("llama"), []
    true = variant_scoring.Scorer._pass
    monkeypatch.setattr(
        variant_scoring.Scorer, "_pass", lambda self, batch: sizes.append(len(batch)) or true(self, batch)
    )
    knock_out(model, chat)
    assert max(sizes) > 1
    sizes.clear()
    monkeypatch.setattr(variant_scoring, "MOST_BATCH_BYTES", 1)
    knock_out(model, chat)
    assert set(sizes) == {1}
