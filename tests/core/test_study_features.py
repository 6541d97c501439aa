"""Tests of digests and features against raw attention of a real capture and against hand-computed numbers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core import explain
from core.errors import MethodError, PromptError, StoreError
from core.importance import study_methods
from core.records import SLICES, HeadWeights, Instruction, Segment
from core.study import features as measured
from core.study.compute import StudyRun, ablated_parts, compute_runs
from core.study.digest import kept_weights, make_digest, pack_digest, unpack_digest
from core.study.features import (
    FEATURES,
    HEAD_GROUPS,
    digest_features,
    feature_columns,
    features,
    head_entropies,
    head_features,
    span_features,
)
from core.study.filler import neutral_filler
from core.study.function_words import is_content
from core.text.token_groups import segment_share
from tests.core import probe_made_up as made
from tests.core.components_made_up import components
from tests.core.run_unstored import run
from tests.pages import made_up

SAID = [
    {"role": "system", "content": "[[instruction: Be brief.]]"},
    {"role": "user", "content": "[[context: One of the two cats.]] [[question: Four five?]]"},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    with made.made_up.alone(home):
        yield made.load(home / "llama", made.random("llama"), made.made_up.TEMPLATE)


@pytest.fixture(scope="module")
def trace(model):
    from dataclasses import replace

    from core.capture import capture, make_request

    request = make_request(model.key, SAID, max_new_tokens=7)
    brief = Segment("check 1", 0, 3, 9)
    return capture(model, replace(request, segments=(*request.segments, brief)))


def mean_attention(trace):
    """Mean attention [T, K] straight from the raw weights, in float64."""
    return trace.attention.astype(np.float64).mean(axis=(0, 1))


def test_shares_are_what_raw_attention_says(trace):
    raw, p = mean_attention(trace), trace.prompt_length
    steps = trace.answer_steps
    found = features(trace, explain(trace))
    for s in trace.request.segments:
        inside = segment_share(trace.tokens, s)[:p]
        name = "check" if s.name == "check 1" else s.name
        share = (raw[steps][:, :p] @ inside).mean()
        uniform = np.mean([inside.sum() / (p + t) for t in steps])
        assert found[f"share_{name}"] == pytest.approx(share, abs=2e-5)
        assert found[f"multiple_{name}"] == pytest.approx(share / uniform, rel=1e-3)
    assert found["share_output"] == pytest.approx(raw[steps][:, p:].sum(1).mean(), abs=2e-5)
    assert found["sink"] == pytest.approx(raw[steps, 0].mean(), abs=2e-5)
    assert np.isnan(found["share_example"]), "a part that the prompt does not have is undefined"


def test_lookback_is_per_token_and_by_head(trace):
    raw, p = trace.attention.astype(np.float64), trace.prompt_length
    steps = [t for t in trace.answer_steps if t > 0]
    ratio = []
    for t in steps:
        a = raw[:, :, t, :p].sum(-1) / p
        b = raw[:, :, t, p : p + t].sum(-1) / t
        ratio.append(a / (a + b))
    expected = np.mean(ratio, axis=0)
    np.testing.assert_allclose(make_digest(trace).lookback, expected, atol=1e-3)
    assert features(trace)["lookback"] == pytest.approx(expected.mean(), abs=1e-3)
    overall, layers, heads = measured.lookback(trace)
    assert overall == pytest.approx(expected.mean(), abs=1e-3)
    np.testing.assert_allclose(layers, expected.mean(1), atol=1e-3)
    np.testing.assert_allclose(heads, expected, atol=1e-3)


def test_spread_over_the_text_is_worked_out_by_hand(trace, monkeypatch):
    part = np.array([[0.5, 0.25, 0.125, 0.125, 0.0, 0.0], [0.5, 0.25, 0.125, 0.125, 0.0, 0.0]])
    reading = measured.reading_of(make_digest(trace))
    monkeypatch.setattr(measured.MethodReading, "text", lambda self: part)
    monkeypatch.setattr(
        measured.MethodReading, "content", lambda self: np.array([True, False, True, False, False, False])
    )
    entropy = 1.75 * np.log(2)
    assert measured.entropy(reading) == pytest.approx(entropy)
    assert measured.effective_tokens(reading) == pytest.approx(np.exp(entropy))
    pairs = np.abs(part[0][:, None] - part[0][None]).sum() / (2 * 6 * 6 * part[0].mean())
    assert measured.gini(reading) == pytest.approx(pairs), "half the relative mean absolute difference"
    assert measured.top_share(reading) == pytest.approx(1.0)
    assert measured.content_share(reading) == pytest.approx(0.625)


def test_the_users_text_leaves_out_sink_and_markup(trace):
    reading = measured.reading_of(make_digest(trace))
    text = reading.in_text()
    roles, message = np.array(trace.tokens.roles), trace.tokens.message
    own = (message >= 0)[: trace.prompt_length] & (roles[: trace.prompt_length] != "template")
    own[0] = False
    assert (text == own).all() and text.any()
    np.testing.assert_allclose(reading.text().sum(1), 1)


def test_drift_is_last_third_minus_first(trace):
    reading = measured.reading_of(make_digest(trace))
    share = mean_attention(trace)[trace.answer_steps][:, : trace.prompt_length][:, reading.in_text()].sum(1)
    third = len(share) // 3
    assert third >= 1
    assert measured.drift(reading) == pytest.approx(share[-third:].mean() - share[:third].mean(), abs=4e-5)


def test_heads_hold_group_shares_of_every_part(trace):
    found = make_digest(trace)
    for part, steps in zip(SLICES, measured.answer_slices(trace.answer_steps), strict=True):
        names, heads = head_features(found, part)
        assert names == (*HEAD_GROUPS, "lookback") and heads.shape[1:] == trace.mass.shape[:2]
        context = trace.mass[:, :, steps, trace.groups.index("segment:context")].mean(-1)
        np.testing.assert_allclose(heads[names.index("context")], context, atol=1e-3)
        assert (heads[names.index("example")] == 0).all()
    assert np.isnan(head_features(found, "first step")[1][-1]).all()


def test_the_entropy_of_heads_is_minus_ln_of_summed_squares(trace):
    raw, found = trace.attention.astype(np.float64), make_digest(trace)
    expected = -np.log((raw**2).sum(-1))
    for part, steps in zip(SLICES, measured.answer_slices(trace.answer_steps), strict=True):
        np.testing.assert_allclose(head_entropies(found, part), expected[:, :, steps].mean(-1), atol=4e-3)
    read = features(trace)
    assert read["head_entropy"] == pytest.approx(expected[:, :, trace.answer_steps].mean(), abs=2e-3)
    assert read["prompt_entropy"] == pytest.approx(expected[:, :, trace.answer_steps[0]].mean(), abs=2e-3)
    reduced = make_digest(replace(trace, rows=None))
    assert np.isnan(head_entropies(reduced)).all() and np.isnan(digest_features(reduced)["head_entropy"])


def test_rauq_is_worked_out_step_by_step(trace):
    raw, p = trace.attention.astype(np.float64), trace.prompt_length
    steps, chance = trace.answer_steps, np.exp(trace.logprobs.astype(np.float64))
    layers, by_layer = raw.shape[0], []
    for layer in range(layers // 3, int(np.ceil(2 * layers / 3)) + 1)[: layers - layers // 3]:
        before = np.array([[raw[layer, h, t, p + t - 1] for t in steps] for h in range(raw.shape[1])])
        head = before[:, 1:].mean(1).argmax()
        sure = [chance[steps[0]]]
        for place in range(1, len(steps)):
            sure.append(0.2 * chance[steps[place]] + 0.8 * before[head, place] * sure[-1])
        by_layer.append(-np.log(sure).mean())
    assert features(trace)["rauq"] == pytest.approx(max(by_layer), rel=2e-3)
    parts = tuple("answer" if i == trace.prompt_length else "end" for i in range(len(trace.tokens)))
    alone = make_digest(trace, ())
    assert digest_features(replace(alone, parts=parts, before=np.zeros((0, 0))))["rauq"] == pytest.approx(
        -trace.logprobs[0]
    ), "one token has no token before"


def test_rauq_is_the_largest_of_the_middle_layers():
    steps, logprobs = 4, np.log([0.9, 0.5, 0.8, 0.4])
    shares = np.array([[0.0] * 4, [0.9] * 4, [0.2] * 4, [0.5] * 4, [0.0] * 4, [0.0] * 4])  # six layers, 2 to 4 count
    made_up = SimpleNamespace(answer_steps=np.arange(steps), before=shares, logprobs=logprobs, spread=np.zeros(1))
    by_layer = []
    for a in (0.2, 0.5, 0.0):
        sure = [0.9]
        for p in (0.5, 0.8, 0.4):
            sure.append(0.2 * p + 0.8 * a * sure[-1])
        by_layer.append(-np.log(sure).mean())
    assert measured.rauq(made_up) == pytest.approx(max(by_layer)) and max(by_layer) - min(by_layer) > 0.3


def test_learned_heads_of_a_model_that_has_none_are_left_out(trace):
    weights = HeadWeights("f" * 64, (0, 1), (1, 0), (0.25, 0.75), "attention")
    by = ("mean-attention", "learned-heads")
    assert "learned-heads" in study_methods() and make_digest(trace, by).methods == ("mean-attention",)
    read = digest_features(make_digest(trace, by, {"weights": weights}))
    raw = trace.attention.astype(np.float64)[:, :, trace.answer_steps]
    expected = 0.25 * raw[0, 1, :, 0].mean() + 0.75 * raw[1, 0, :, 0].mean()
    assert read["sink@learned-heads"] == pytest.approx(expected, abs=4e-5)
    assert make_digest(trace, by, {"weights": weights}).learned == weights.id and make_digest(trace, by).learned == ""
    other = replace(weights, weights=np.array([0.5, 0.5]))
    assert other.id != weights.id == replace(weights, created="later", prompts=3).id


def test_a_digest_comes_back_as_it_was(trace):
    found = make_digest(trace)
    blob = pack_digest(found)
    again = unpack_digest(blob)
    for name in found.__dataclass_fields__:
        a, b = getattr(found, name), getattr(again, name)
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b, name
    assert digest_features(again).keys() <= feature_columns(again.methods).keys()
    np.testing.assert_allclose(kept_weights(again), mean_attention(trace), atol=2e-5)
    for broken in (b"", b"{}", blob[:-40], json.dumps({}).encode()):
        with pytest.raises(StoreError):
            unpack_digest(broken)


def test_one_span_has_its_own_share(trace):
    found = make_digest(trace)
    assert span_features(found, "check 1")["share"] == pytest.approx(digest_features(found)["share_check"])
    assert np.isnan(span_features(found, "check 9")["share"])


def test_features_follow_the_importance_and_refuse_another_run(model, trace):
    last = features(trace, explain(trace, "last-layer"))
    assert last["share_context"] == pytest.approx(digest_features(make_digest(trace))["share_context@last-layer"])
    other = run(model, "x", max_new_tokens=2)
    with pytest.raises(MethodError, match="not of this run"):
        features(trace, explain(other))
    with pytest.raises(MethodError, match="layers"):
        features(trace, explain(trace, layers=[0]))
    with pytest.raises(MethodError, match="trace that run gave"):
        features("a trace")


def test_content_words():
    assert [w for w in "The sky is not 7 , blue ’s".split() if is_content(w)] == ["sky", "7", "blue"]


def test_filler_takes_as_many_tokens(model):
    def count(text):
        return len(model.tokenizer(f"<x>{text}</x>")["input_ids"])

    for instruction in ("Answer in one word.", "Be brief.", "Answer with 東京 only, and nothing else at all."):
        made_up = neutral_filler(count, instruction)
        assert count(made_up) == count(instruction) and made_up != instruction
    with pytest.raises(PromptError, match="neutral"):
        neutral_filler(lambda text: 1 if text == "x" else 2, "x")


def test_work_gives_every_cell_its_result(model, trace):
    said = (Instruction("heed:words", {"relation": "exactly", "count": 1}, ((0, 3, 9),)),)
    long = run(model, "y", max_new_tokens=2).request
    asked = [
        StudyRun("good", trace.request, said),
        StudyRun("too long", replace(long, max_new_tokens=5000)),
    ]
    got = {r.key: r for r in compute_runs(model, asked)}
    assert "reads at most" in got["too long"].error and got["too long"].digest is None
    good = got["good"]
    assert good.error == "" and good.run == trace.request.id and good.output_tokens == trace.steps
    assert good.effects["masked_total_check"] == good.effects["masked_total_check 1"]
    assert set(ablated_parts(asked[0])) == {"instruction", "context", "question", "check 1", "check"}
    columns = measured.effect_features(good.effects, len(trace.answer_steps))
    assert columns["removed_context"] == pytest.approx(good.effects["removed_total_context"] / len(trace.answer_steps))
    assert np.isnan(columns["masked_example"]) and columns.keys() <= FEATURES.keys()


def test_features_of_the_other_parts_and_their_absence():
    whole = made_up.run()
    parts = components(whole)
    read = replace(whole, components=parts)
    found = unpack_digest(pack_digest(make_digest(read)))
    values = digest_features(found)
    steps = read.answer_steps
    assert values["settled_layer"] == pytest.approx(np.mean(parts.first_choice[steps] / parts.layers))
    middle = parts.lens_entropy[len(parts.lens_entropy) // 2]
    assert values["lens_entropy"] == pytest.approx(middle[steps].mean(), rel=1e-5)
    queries = read.prompt_length - 1 + steps
    a, m = parts.attention_write[:, queries], parts.mlp_write[:, queries]
    assert values["attention_part"] == pytest.approx((a / (a + m)).mean(), rel=1e-5)
    without = digest_features(make_digest(replace(read, components=None)))
    assert all(np.isnan(without[name]) for name in ("settled_layer", "lens_entropy", "attention_part"))
    ranks = np.full(parts.final_ranks.shape, 2)  # never the first choice: not known, and no zero
    never = replace(read, components=replace(parts, final_ranks=ranks))
    assert np.isnan(digest_features(make_digest(never))["settled_layer"])
