"""Tests of importance from hand-written rows: exact numbers, conservation, uniform shares, the sentence.

The run: 4 prompt tokens (begin markup, "red", "sky", end markup), 3 output tokens ("so", "blue", end), 2 layers x 2
heads. Layer 0 has a window of 3 tokens where a test asks for it.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.crop import crop_importance
from core.errors import MethodError
from core.importance import METHODS, explain, group_columns, group_rows, read_by_head, reading_sentence, standing_out
from core.importance.explain import SINKS
from core.importance.surrogate import fit_surrogate
from core.records import (
    ATTRIBUTIONS,
    Attribution,
    HeadWeights,
    Message,
    ModelKey,
    ModelRef,
    Probe,
    Request,
    Rows,
    Source,
    Tokens,
    Trace,
)
from core.text.units import units

P, T = 4, 3
HEADS = {
    (0, 0): [[0.4, 0.3, 0.2, 0.1, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2, 0], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]],
    (0, 1): [[1.0, 0, 0, 0, 0, 0], [0.6, 0.1, 0.1, 0.1, 0.1, 0], [0, 0, 0, 0, 0, 1.0]],
    (1, 0): [[0, 0.5, 0.5, 0, 0, 0], [0, 0, 1.0, 0, 0, 0], [0.3, 0.1, 0.4, 0, 0, 0.2]],
    (1, 1): [[0.25, 0.25, 0.25, 0.25, 0, 0], [0.1, 0.1, 0.7, 0.1, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]],
}


NORMS = np.array([[[0.5, 4, 8, 2, 1, 1], [0.25, 2, 2, 2, 4, 8]], [[1, 1, 16, 1, 1, 1], [0, 2, 4, 8, 2, 1]]], np.float16)
"""Exact in 16 bits; little behind the first token, as behind a sink."""


def pack(heads):
    weights = np.array(list(heads.values()), np.float64)
    return Rows(
        queries=[3, 4, 5],
        layers=[k[0] for k in heads],
        heads=[k[1] for k in heads],
        packed=np.round(65535 * np.sqrt(weights)).astype(np.uint16),
        sums=weights.sum(-1),
    )


def made(heads=HEADS, windows=(None, None), author=""):
    ref = ModelRef(
        ModelKey("m", "f" * 64),
        "M",
        "none",
        "here",
        "t",
        "llama",
        "decoder",
        2,
        2,
        (0, 1),
        windows,
        "dispatch",
        64,
        1,
        True,
    )
    tokens = Tokens(
        ids=range(7),
        texts=("<u>", "red", " sky", "</u>", "so", " blue", "<e>"),
        message=[-1, 0, 0, -1, 1, 1, -1],
        start=[-1, 0, 3, -1, 0, 2, -1],
        end=[-1, 3, 7, -1, 2, 7, -1],
        roles=("template", "user", "user", "template", "assistant", "assistant", "assistant"),
        parts=("prompt",) * 4 + ("answer", "answer", "end"),
        sources=(Source("red sky", "user", "user"), Source("so blue", "assistant", "model")),
    )
    return Trace(
        request=Request(ModelKey("m", "f" * 64), messages=(Message("user", "red sky"),), author=author),
        model=ref,
        tokens=tokens,
        prompt_length=P,
        logprobs=np.zeros(T),
        entropy=np.zeros(T),
        alternative_ids=np.zeros((T, 5)),
        alternative_logprobs=np.zeros((T, 5)),
        alternative_texts=(("",) * 5,) * T,
        groups=("sink",),
        mass=np.zeros((2, 2, T, 1)),
        finish="end",
        rows=pack(heads),
        norms=NORMS,
    )


TRACE = made()
A = np.array(list(HEADS.values()))
WRITTEN = A * NORMS.reshape(4, 1, 6)


def above_median(rows):
    """Each weight less its median over the answer's two steps, or over the one of them that could read the key."""
    usual = np.stack([rows[:2, k].mean() if k < P else rows[1, k] if k == P else 0 for k in range(6)])
    return np.maximum(rows - usual, 0)


WORDS = units(TRACE.tokens, "word", range(P))
LOST = np.array([[0.5, 0.0, -0.25], [1.0, 2.0, 0.0], [0.25, 0.5, 4.0], [0.0, 0.0, 1.0]], np.float32)
"""Nats that each of the three steps loses without one of the four words."""
PROBE = Probe(TRACE.id, WORDS, np.eye(4, dtype=bool), -LOST, np.zeros(T), "mask")

LEARNED = HeadWeights("f" * 64, (0, 1), (1, 0), (0.25, 0.75), "attention")
LEARNED_WRITTEN = HeadWeights("f" * 64, (0, 1), (1, 0), (0.25, 0.75), "written")
MASKS = np.array([[False, bool(i & 1), bool(i & 2), False] for i in range(4)] * 3)
LINEAR = Probe(TRACE.id, WORDS, MASKS, -(~MASKS @ [0, -3.0, 1.0, 0])[:, None] * [0.5, 0.5, 0] * -1, np.zeros(T), "mask")
"""An answer of two steps that loses 3 nats more where “red” is there, and 1 less where “sky” is."""
SLOPES = np.array([[0.5, -1, 2, 0, 0.25, 0]], np.float32)
ROLLED = np.array([[0.5, 0.25, 0.25, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2, 0], [1, 0, 0, 0, 0, 0]], np.float32)
GIVEN = {
    "probe": PROBE,
    "weights": LEARNED,
    "masks": LINEAR,
    "rollout": Attribution(TRACE.id, "rollout", [(0, 1), (1, 2), (2, 3)], ROLLED),
} | {kind: Attribution(TRACE.id, kind, [(0, 2)], SLOPES) for kind in ATTRIBUTIONS if kind != "rollout"}
EVENLY = np.vstack([SLOPES / 2, SLOPES / 2, np.zeros((1, 6))])
"""One target of two steps: half of it at each, nothing at the end token."""

GOLDEN = {
    ("learned-heads", None, None): 0.25 * A[1] + 0.75 * A[2],
    ("rollout", None, None): ROLLED,
    ("input-x-gradient", None, None): EVENLY,
    ("attention-x-gradient", None, None): EVENLY,
    ("integrated-gradients", None, None): EVENLY,
    ("leave-one-out", None, None): np.hstack([LOST.T, np.zeros((T, 2))]),
    ("value-weighted", None, None): WRITTEN.mean(0) / WRITTEN.mean(0).sum(1, keepdims=True),
    ("value-weighted", (1,), ((1, 0),)): WRITTEN[2] / WRITTEN[2].sum(1, keepdims=True),
    ("value-written", (0,), None): WRITTEN[:2].mean(0),
    ("excess", None, None): np.mean([above_median(rows) for rows in A], axis=0),
    ("mean-attention", None, None): A.mean(0),
    ("mean-attention", (1,), None): A[2:].mean(0),
    ("last-layer", None, None): A[2:].mean(0),
    ("max-heads", None, None): A.max(0),
    ("picked-heads", (0,), (1,)): A[1],
    ("picked-heads", None, (0,)): A[[0, 2]].mean(0),
    ("picked-heads", None, ((0, 1), (1, 0))): A[[1, 2]].mean(0),
}


@pytest.mark.parametrize(("case", "expected"), GOLDEN.items(), ids=str)
def test_golden_numbers(case, expected):
    method, layers, heads = case
    heat = explain(TRACE, method, layers=layers, heads=heads, inputs="all", given=GIVEN)
    assert heat.values.dtype == np.float32
    assert np.allclose(heat.values, expected, atol=5e-5)
    assert np.allclose(
        explain(TRACE, method, layers=layers, heads=heads, given=GIVEN).values, expected[:, :P], atol=5e-5
    )


def test_every_method_has_a_golden_row():
    assert {case[0] for case in GOLDEN} | {"surrogate"} == set(METHODS)


def test_a_surrogate_of_a_linear_answer_is_its_weights():
    """ContextCite's penalty shrinks them by a hundredth or so; without it they are exact."""
    values = explain(TRACE, "surrogate", given=GIVEN).values
    assert np.allclose(values[0], [0, -1.5, 0.5, 0], atol=0.03) and np.allclose(values[0], values[1])
    assert not values[2].any(), "the end token is no part of the answer"
    exact = fit_surrogate(MASKS[:, 1:3], LINEAR.logprobs.sum(1), 2, penalty=1e-9)
    assert np.allclose(exact.weights, [-3, 1], atol=1e-4) and exact.fit > 0.999
    assert exact.held_out > 0.99 and exact.masks == len(MASKS)
    noise = fit_surrogate(np.random.default_rng(0).random((40, 6)) < 0.5, np.random.default_rng(1).normal(size=40), 1)
    assert noise.held_out < 0.2 and noise.fit > noise.held_out, "what does not go with the masks is not predicted"
    with pytest.raises(MethodError, match="at least 8 random masks"):
        few = Probe(TRACE.id, WORDS, MASKS[:4], LINEAR.logprobs[:4], np.zeros(T), "mask")
        explain(TRACE, "surrogate", given={"masks": few})


def test_learned_heads_weigh_what_is_written_where_they_were_learned_so():
    found = explain(TRACE, "learned-heads", inputs="all", given={"weights": LEARNED_WRITTEN}).values
    raw = 0.25 * WRITTEN[1] + 0.75 * WRITTEN[2]
    assert np.allclose(found, raw / raw.sum(1, keepdims=True), atol=5e-5) and np.allclose(found.sum(1), 1, atol=1e-5)


def test_a_part_that_was_left_out_is_spread_over_its_tokens_and_comes_back_whole():
    """A sentence of two tokens loses 3 nats: 1.5 at each, 3 again by sentence; what cannot be hidden has 0."""
    sentences = units(TRACE.tokens, "sentence", range(P))
    lost = np.where(sentences.message[:, None] >= 0, 3.0, np.nan) * np.ones(T)
    probe = Probe(TRACE.id, sentences, np.eye(len(sentences), dtype=bool), -lost, np.zeros(T), "mask")
    by_token = explain(TRACE, "leave-one-out", given={"probe": probe}).values
    assert np.allclose(by_token, [0, 1.5, 1.5, 0])
    whole = explain(TRACE, "leave-one-out", granularity="sentence", given={"probe": probe}).values
    assert (
        np.allclose(whole, np.nan_to_num(lost).T)
        and explain(TRACE, "leave-one-out", given={"probe": probe}).unit == "nats"
    )
    both = Probe(TRACE.id, WORDS, np.ones((2, 4), bool), np.zeros((2, T)), np.zeros(T), "mask")
    with pytest.raises(MethodError, match="hides each part alone: call knock_out"):
        explain(TRACE, "leave-one-out", given={"probe": both})


def test_what_is_not_shown_is_removed():
    heat = explain(TRACE)
    assert np.allclose(heat.values.sum(1) + heat.removed, 1, atol=1e-6)
    assert np.allclose(heat.removed, A.mean(0)[:, P:].sum(1), atol=5e-5)


def test_sinks():
    mean = A.mean(0)
    apart = explain(TRACE, sink="separate", inputs="all")
    assert (apart.values[:, 0] == 0).all() and np.allclose(apart.removed, mean[:, 0], atol=5e-5)
    dropped = explain(TRACE, sink="drop", inputs="all")
    assert np.allclose(dropped.values.sum(1), 1, atol=1e-6)
    assert np.allclose(dropped.values[:, 1:], mean[:, 1:] / (1 - mean[:, :1]), atol=5e-5)
    assert np.allclose(dropped.removed, mean[:, 0], atol=5e-5), "removed stays in shares of the whole"
    assert np.allclose(dropped.shares["sink"], mean[:, 0], atol=5e-5)


def test_a_score_is_never_rescaled():
    kept, dropped = (explain(TRACE, "max-heads", sink=s, inputs="all") for s in ("keep", "drop"))
    assert kept.unit == "score" and not kept.sums_to_one
    assert np.allclose(dropped.values[:, 1:], kept.values[:, 1:]) and (dropped.values[:, 0] == 0).all()
    assert np.allclose(kept.shares["sink"], A.mean(0)[:, 0], atol=5e-5), "what stands beside is always a share"


def test_what_stands_beside():
    mean, heat = A.mean(0), explain(TRACE)
    assert np.allclose(heat.shares["template"], mean[:, 3], atol=5e-5), "markup without the sink"
    assert np.allclose(heat.shares["user"], mean[:, 1:3].sum(1), atol=5e-5)
    assert np.allclose(heat.shares["query"], [mean[0, 3], mean[1, 4], mean[2, 5]], atol=5e-5)
    assert np.allclose(heat.shares["output"], mean[:, 4:].sum(1), atol=5e-5)
    whole = sum(heat.shares[n] for n in ("sink", "template", "system", "user", "assistant", "output"))
    assert np.allclose(whole, 1, atol=1e-6)


def test_a_learned_sink_is_removed_mass():
    heat = explain(made({k: (np.array(v) * 0.8).tolist() for k, v in HEADS.items()}), inputs="all")
    assert np.allclose(heat.values.sum(1), 0.8, atol=1e-4) and np.allclose(heat.removed, 0.2, atol=1e-4)


@pytest.mark.parametrize("granularity", ["token", "word", "sentence", "paragraph", "segment", "role", "turn"])
@pytest.mark.parametrize("inputs", ["prompt", "all"])
@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("method", METHODS)
def test_going_up_loses_nothing(method, sink, inputs, granularity):
    layers = (0, 1) if method == "picked-heads" else None
    asked = {"layers": layers, "sink": sink, "inputs": inputs, "given": GIVEN}
    fine = explain(TRACE, method, **asked)
    heat = explain(TRACE, method, **asked, granularity=granularity)
    assert np.allclose(heat.values.sum(1), fine.values.sum(1), atol=1e-5)
    assert np.allclose(heat.uniform.sum(1), fine.uniform.sum(1), atol=1e-5)
    assert np.allclose(heat.removed, fine.removed)
    summed = group_columns(fine, heat.columns)
    assert np.array_equal(summed.values, heat.values) and np.array_equal(summed.uniform, heat.uniform)
    assert summed.parameters == heat.parameters and summed.columns is heat.columns


weights = st.lists(st.floats(0.01, 1), min_size=4 * T * 6, max_size=4 * T * 6)


@given(weights, st.sampled_from(SINKS), st.sampled_from(["token", "word", "role"]))
def test_shares_are_whole_for_any_rows(numbers, sink, granularity):
    rows = np.array(numbers).reshape(4, T, 6) * np.tril(np.ones((T, 6)), P - 1)
    rows /= rows.sum(-1, keepdims=True)
    heat = explain(made(dict(zip(HEADS, rows.tolist(), strict=True))), sink=sink, granularity=granularity)
    whole = heat.values.sum(1) if sink != "drop" else heat.values.sum(1) * (1 - heat.shares["sink"])
    assert np.allclose(whole + heat.removed, 1, atol=1e-5)


def test_uniform_counts_what_can_be_read():
    heat = explain(TRACE, inputs="all")
    assert np.allclose(heat.uniform[0], [1 / 4] * 4 + [0, 0]) and np.allclose(heat.uniform[2], 1 / 6)
    dropped = explain(TRACE, inputs="all", sink="drop")
    assert np.allclose(dropped.uniform[0], [0] + [1 / 3] * 3 + [0, 0])


def test_uniform_knows_windows():
    heat = explain(made(windows=(3, None)), inputs="all")
    assert np.allclose(heat.uniform[0], [1 / 8, 1 / 8 + 1 / 6, 1 / 8 + 1 / 6, 1 / 8 + 1 / 6, 0, 0])
    assert np.allclose(explain(made(windows=(3, None)), "last-layer", inputs="all").uniform[2], 1 / 6)


def test_rows_are_grouped_by_their_mean():
    heat = explain(TRACE)
    whole = group_rows(heat, units(TRACE.tokens, "role", range(P, P + T)))
    assert len(whole.rows) == 1 and np.allclose(whole.values[0], heat.values.mean(0), atol=1e-6)
    assert np.allclose(whole.removed, heat.removed.mean(), atol=1e-6)
    words = group_rows(heat, units(TRACE.tokens, "word", range(P, P + T)))
    assert words.rows.labels[:2] == ("so", "blue") and np.allclose(words.values[1], heat.values[1])


def test_heads_that_read_the_picked_words():
    keys = np.array([0, 0, 1, 0, 0, 0], np.float32)
    share, uniform = read_by_head(TRACE, keys, np.array([0, 1]))
    assert np.allclose(share, [[0.2, 0.05], [0.75, 0.475]], atol=5e-5)
    assert np.allclose(uniform, (1 / 4 + 1 / 5) / 2)


def test_the_plain_sentence():
    heat = explain(TRACE, granularity="word", sink="drop")
    found = standing_out(heat, TRACE.answer_steps)
    assert [r.label for r in found] == ["sky"]
    values = A.mean(0)[:2, 1:4] / (1 - A.mean(0)[:2, :1])
    assert found[0].share == pytest.approx(values[:, 1].mean(), abs=1e-4)
    assert found[0].multiple == pytest.approx(values[:, 1].mean() / np.mean([1 / 3, 1 / 4]), abs=1e-3)
    said = reading_sentence(heat, TRACE.answer_steps, "the whole answer", TRACE.request.author)
    assert "“sky” with" in said and "× uniform" in said and "attention outside the sink" in said and "red" not in said


def test_no_word_stands_out():
    even = made({k: [[1 / 4] * 4 + [0] * 2, [1 / 5] * 5 + [0], [1 / 6] * 6] for k in HEADS})
    assert "no word stands out" in reading_sentence(
        explain(even, granularity="word"), even.answer_steps, "it", even.request.author
    )


def test_a_score_is_called_a_score():
    said = reading_sentence(
        explain(TRACE, "max-heads", granularity="word"), TRACE.answer_steps, "it", TRACE.request.author
    )
    assert "score" in said and "share" not in said and "%" not in said


def test_an_answer_of_another_is_read():
    other = made(author="a person")
    assert reading_sentence(
        explain(other, granularity="word"), other.answer_steps, "it", other.request.author
    ).startswith("While reading it")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"method": "mean"}, "mean-attention"),
        ({"sink": "hide"}, "separate"),
        ({"inputs": "both"}, "prompt"),
        ({"granularity": "letter"}, "word"),
        ({"layers": [7]}, "layer 7"),
        ({"heads": [9]}, "head 9"),
        ({"method": "picked-heads"}, "needs layers, heads or both"),
        ({"method": "picked-heads", "heads": [(0, 5)]}, r"\(0, 5\)"),
        ({"method": "picked-heads", "layers": []}, "at least one"),
        ({"method": "last-layer", "layers": [0]}, "picked-heads"),
        ({"method": ["mean-attention"]}, "There is no method"),
        ({"layers": 0}, "must be a list"),
        ({"layers": [True]}, "layer True"),
        ({"heads": "0"}, "must be a list"),
        ({"heads": [(0,)]}, "pairs"),
        ({"heads": [(0, 1), 1]}, "pairs"),
        ({"heads": [("a", "b")]}, "pairs"),
    ],
)
def test_what_cannot_be_asked(settings, told):
    with pytest.raises(MethodError, match=told):
        explain(TRACE, **settings)


def test_heads_may_be_an_array():
    expected = explain(TRACE, heads=[(0, 1), (1, 0)])
    found = explain(TRACE, heads=np.array([[0, 1], [1, 0]]))
    assert np.array_equal(found.values, expected.values)
    assert found.parameters["heads"] == expected.parameters["heads"] == [[0, 1], [1, 0]]


def test_only_a_trace_is_explained():
    with pytest.raises(MethodError, match="trace that run gave"):
        explain("a run")


def test_rows_that_were_not_kept():
    with pytest.raises(MethodError, match="run it again to compute them"):
        explain(dataclasses.replace(TRACE, rows=None))
    asked = dataclasses.replace(TRACE, rows=None, request=dataclasses.replace(TRACE.request, keep="none"))
    with pytest.raises(MethodError, match="asked to keep no attention rows: run it again"):
        explain(asked)


def test_cutting_counts_what_goes():
    heat = explain(TRACE, sink="drop", inputs="all", granularity="word")
    less = crop_importance(heat, np.array([0, 1]), np.array([1, 2]))
    assert less.columns.labels == ("red", "sky") and len(less.rows) == 2
    whole = less.values.sum(1) * (1 - less.shares["sink"]) + less.removed
    assert np.allclose(whole, 1, atol=1e-5)
    assert crop_importance(heat, np.arange(3), np.arange(len(heat.columns))) is heat


@pytest.mark.parametrize("granularity", ["word", "sentence", "paragraph", "role"])
def test_columns_grouped_from_tokens_are_those_of_explain(granularity):
    whole = explain(TRACE, sink="drop", granularity=granularity)
    made = group_columns(explain(TRACE, sink="drop"), whole.columns)
    np.testing.assert_array_equal(made.values, whole.values)
    np.testing.assert_array_equal(made.uniform, whole.uniform)
    assert made.parameters == whole.parameters
    with pytest.raises(ValueError, match="single tokens"):
        group_columns(explain(TRACE, granularity="word"), whole.columns)
