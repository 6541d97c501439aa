"""Tests of a run steered in several ways: a ladder equals runs one by one, layers and heads alone, what it refuses."""

import numpy as np
import pytest

from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.errors import MethodError, PromptError
from core.probe.ablation import knock_out
from core.probe.steer_run import part_share, part_steering, steer, steer_by_layer, steer_each, steered_request
from core.probe.switched_parts import switch_off
from core.records import Part
from core.store.serialise import from_plain, to_plain
from tests.core import probe_made_up as made

PROMPT = "[[instruction: Use one word.]] [[question: Sky?]]"
FACTORS = (0, 0.25, 1, 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made.load(tmp_path_factory.mktemp("llama"), made.random("llama", max_position_embeddings=256))


@pytest.fixture(scope="module")
def trace(model):
    return capture(model, make_request(model.key, PROMPT, max_new_tokens=6))


def test_a_ladder_equals_runs_one_by_one(model, trace):
    kept = []
    found = steer(model, trace, "instruction", FACTORS, keep=kept.append)
    ids = tuple(int(i) for i in trace.token_ids[trace.prompt_length :])
    at = trace.groups.index("segment:instruction")
    for row, factor in enumerate(FACTORS):
        scored = capture(model, make_request(model.key, PROMPT, answer=ids, steer={"instruction": factor}))
        assert np.allclose(found.logprobs[row], scored.logprobs, atol=1e-4)
        assert found.shares[row] == pytest.approx(float(scored.mass[:, :, trace.answer_steps, at].mean()), abs=1e-5)
        alone = capture(model, steered_request(trace, found.steerings[row]))
        assert found.answers[row] == alone.answer and found.run_ids[row] == alone.id
        assert found.answer_tokens[row] == len(alone.answer_steps) and found.finishes[row] == alone.finish
        share = float(alone.mass[:, :, alone.answer_steps, at].mean())
        assert found.answer_shares[row] == pytest.approx(share, abs=1e-3)
        read = tuple(int(i) for i in alone.token_ids[alone.prompt_length :])
        plain = capture(model, make_request(model.key, PROMPT, answer=read))
        assert found.plain_logprobs[row] == pytest.approx(float(plain.logprobs.mean()), abs=1e-4)
    assert found.run_ids[2] == trace.id and len(kept) == 3, "the plain run is not made again"
    assert found.change()[2] == pytest.approx(0, abs=1e-4) and np.allclose(found.base, trace.logprobs, atol=1e-4)
    again = steer(model, trace, "instruction", FACTORS, known={t.id: t for t in kept}, keep=lambda _: 1 / 0)
    assert again.answers == found.answers
    record, arrays = to_plain(found)
    assert np.array_equal(from_plain(record, arrays).logprobs, found.logprobs)


def test_layers_and_heads_alone_are_those_of_single_runs(model, trace):
    ids = tuple(int(i) for i in trace.token_ids[trace.prompt_length :])
    by_layer = steer_by_layer(model, trace, "instruction", 8)
    assert [s.layers for s in by_layer.steerings] == [(0,), (1,), (2,)]
    by_head = steer_by_layer(model, trace, "instruction", 8, layer=1)
    assert [s.heads for s in by_head.steerings] == [(0,), (1,), (2,), (3,)]
    for found, row in ((by_layer, 2), (by_head, 3)):
        one = found.steerings[row]
        how = {"factor": 8, "layers": one.layers, "heads": one.heads}
        scored = capture(model, make_request(model.key, PROMPT, answer=ids, steer={"instruction": how}))
        assert np.allclose(found.logprobs[row], scored.logprobs, atol=1e-4)
        assert found.shares[row] == pytest.approx(part_share(scored, one), abs=1e-3)


def test_answers_alone_read_the_part_otherwise(model, trace):
    late = steer(model, trace, "Sky", [8], answer="same", readers="answer")
    everyone = steer(model, trace, "Sky", [8], answer="same")
    assert np.abs(late.logprobs - late.base).max() > 1e-3 and not np.allclose(late.logprobs, everyone.logprobs)
    assert late.answers == () and late.plain_logprobs is None


def test_the_same_answer_only_scores(model, trace):
    found = steer(model, trace, (0, 0, 5), [0.5, 2], answer="same")
    assert found.answers == () and found.shares[0] < found.shares[1]


def test_what_runs_again_on_a_steered_run_reads_as_it_did(model, trace):
    steered = capture(model, make_request(model.key, PROMPT, max_new_tokens=6, steer={"instruction": 8}))
    assert np.allclose(knock_out(model, steered).base, steered.logprobs, atol=1e-4)
    assert np.allclose(switch_off(model, steered, [Part("mlp", 1)]).base, steered.logprobs, atol=1e-4)
    assert not np.allclose(steered.logprobs, trace.logprobs[: steered.steps])
    with pytest.raises(MethodError, match='mode="mask"'):
        knock_out(model, steered, mode="remove")


def test_bad_input_gets_a_sentence(model, trace):
    with pytest.raises(PromptError, match="no part"):
        steer(model, trace, "nowhere")
    with pytest.raises(MethodError, match="no factor"):
        steer(model, trace, "instruction", [])
    with pytest.raises(PromptError, match="anew, same"):
        steer(model, trace, "instruction", [2], answer="other")
    with pytest.raises(PromptError, match="layer"):
        steer_by_layer(model, trace, "instruction", layer=7)
    steered = capture(model, make_request(model.key, PROMPT, max_new_tokens=6, steer={"instruction": 8}))
    with pytest.raises(MethodError, match="itself steered"):
        steer_each(model, steered, part_steering(steered.request, "question", [2]))
