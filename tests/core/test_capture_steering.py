"""Tests of steered runs on tiny families: single and batched equal an eager model with an added mask; ids; bad input."""

import math

import numpy as np
import pytest
import torch

from core.capture.batch_generation import capture_all
from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.capture.steering_words import as_steering
from core.errors import HeedError, MethodError, PromptError
from core.records import Message, ModelKey, Request, Steering, pasta, steering_label
from core.store.serialise import from_plain, to_plain
from tests.core import probe_made_up as made
from tests.core.test_models_token_steering import eager

PROMPT = "[[instruction: Use one word.]] [[question: Sky?]]"
KEY = ModelKey("m", "f")


def asked(model, steer=None, prompt=PROMPT, **settings):
    return make_request(model.key, prompt, max_new_tokens=6, **({"steer": steer} if steer else {}), **settings)


def oracle(model, trace, factor):
    """(log-probabilities [T, V], {layer: rows [H, T, K]}) of the same tokens by the eager path, one pass."""
    ids, first = torch.tensor(np.array(trace.token_ids))[None], trace.prompt_length - 1
    part = [i for i, m in enumerate(trace.tokens.texts) if _in_part(trace, i)]
    n = ids.shape[1] - 1
    bias = torch.zeros(1, 1, n, n)
    bias[..., part] = math.log(factor)
    with torch.no_grad(), eager(model.hf, bias):
        out = model.hf(ids[:, :-1], use_cache=False, output_attentions=True)
    return out.logits[0, first:].float().log_softmax(-1), [a[0, :, first:] for a in out.attentions]


def _in_part(trace, i):
    (message, start, end) = trace.request.steering[0].spans[0]
    tokens = trace.tokens
    return tokens.message[i] == message and start <= tokens.start[i] and tokens.end[i] <= end and tokens.start[i] >= 0


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gpt_oss", "qwen2"])
def test_rows_log_probabilities_and_answers_are_those_of_an_added_mask(tmp_path, family):
    model = made.load(tmp_path, made.random(family, max_position_embeddings=256))
    longer = "[[instruction: Use one word.]] [[question: What is the colour of the sky?]]"
    alone = [capture(model, asked(model, {"instruction": 4}, p)) for p in (PROMPT, longer)]
    several = [asked(model, {"instruction": 4}), asked(model), asked(model, {"instruction": 4}, longer)]
    batched = dict(capture_all(model, several))
    for one, other in zip(alone, (batched[0], batched[2]), strict=True):
        assert np.array_equal(one.token_ids, other.token_ids)
        assert np.allclose(one.logprobs, other.logprobs, atol=1e-4) and np.allclose(one.mass, other.mass, atol=1e-4)
        logs, rows = oracle(model, one, 4.0)
        answer = torch.tensor(np.array(one.token_ids[one.prompt_length :]))
        assert np.allclose(one.logprobs, logs.gather(-1, answer[:, None])[:, 0].numpy(), atol=1e-4)
        assert torch.equal(logs.argmax(-1), answer), "what is written is what the steered model finds likeliest"
        for layer, attention in enumerate(rows):
            assert np.allclose(one.attention[layer], attention.numpy()[..., : one.attention.shape[-1]], atol=2e-5)
    plain = capture(model, asked(model))
    assert np.allclose(plain.logprobs, batched[1].logprobs, atol=1e-4), "its neighbours' steering is not its own"


def test_a_given_answer_is_scored_while_steered(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    trace = capture(model, asked(model, {"instruction": 4}, answer="Blue."))
    logs, _ = oracle(model, trace, 4.0)
    answer = torch.tensor(np.array(trace.token_ids[trace.prompt_length :]))
    assert np.allclose(trace.logprobs, logs.gather(-1, answer[:, None])[:, 0].numpy(), atol=1e-4)


def test_the_share_reaches_its_target_at_every_step_and_head(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    plain = capture(model, asked(model))
    at = plain.groups.index("segment:instruction")
    trace = capture(model, asked(model, {"instruction": {"target": 0.5}}))
    assert trace.mass[..., at].min() > 0.5 - 1e-4 and plain.mass[..., at].min() < 0.5
    late = capture(model, asked(model, {"instruction": {"target": 0.5, "readers": "answer", "layers": [1]}}))
    assert late.mass[1, ..., at].min() > 0.5 - 1e-4
    assert np.allclose(late.mass[0, :, 0], plain.mass[0, :, 0], atol=1e-6)


def test_a_steered_run_says_so_wherever_its_model_is_named(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    trace = capture(model, asked(model, {"instruction": 4}))
    assert trace.model.caption.endswith("steered: instruction × 4") and not model.ref.steered
    record, arrays = to_plain(trace)
    assert from_plain(record, arrays).request.steering == trace.request.steering


def test_models_that_cannot_be_steered_say_so(tmp_path):
    mixer = made.load(tmp_path, made.random("lfm2", max_position_embeddings=256))
    with pytest.raises(MethodError, match="cannot be hidden"):
        capture(mixer, asked(mixer, {"instruction": 4}))
    found = dict(capture_all(mixer, [asked(mixer, {"instruction": 4}), asked(mixer)]))
    assert isinstance(found[0], HeedError) and found[1].steps


@pytest.mark.parametrize(
    ("steer", "said"),
    [
        ({"instruction": 65}, "between 0"),
        ({"instruction": -1}, "between 0"),
        ({"instruction": float("nan")}, "between 0"),
        ({"instruction": "4"}, "factor must"),
        ({"context": 4}, "no part 'context'"),
        ({"": 4}, "No part"),
        ({"instruction": {"target": 1.0}}, "above 0 and below 1"),
        ({"instruction": {"target": 0.3, "factor": 2}}, "only one of them"),
        ({"instruction": {"much": 2}}, "Steering is written as"),
        ({"instruction": {"factor": 2, "readers": "nobody"}}, "readers"),
        ({"instruction": {"target": 0.3}, "question": 2}, "one part alone"),
        ({(0, 5, 500): 2}, "outside the prompt"),
        ({(0, 5): 2}, "A part is"),
        (4, "Steering is written as"),
        ("instruction", "Steering is written as"),
    ],
)
def test_bad_steering_gets_a_sentence(steer, said):
    with pytest.raises(PromptError, match=said):
        make_request(KEY, PROMPT, steer=steer)


def test_layers_and_heads_that_are_not_there_get_a_sentence(tmp_path):
    model = made.load(tmp_path, made.random("llama", max_position_embeddings=256))
    with pytest.raises(PromptError, match="no attention in layer 9"):
        capture(model, asked(model, {"instruction": {"factor": 2, "layers": [9]}}))
    with pytest.raises(PromptError, match="no head 9"):
        capture(model, asked(model, {"instruction": {"factor": 2, "heads": [9]}}))


def test_ids_are_those_of_before_and_a_name_is_not_part_of_them():
    plain = make_request(KEY, PROMPT)
    assert "steering" not in plain.canonical and make_request(KEY, PROMPT, steer={"instruction": 1}).id == plain.id
    by_name, by_words = (make_request(KEY, PROMPT, steer={part: 4}) for part in ("instruction", "Use one word."))
    assert by_name.id == by_words.id != plain.id
    assert by_name.id != make_request(KEY, PROMPT, steer={"instruction": 2}).id
    record, _ = to_plain(plain)
    del record["fields"]["steering"]  # as it was stored before
    assert from_plain(record, {}) == plain


def test_words_are_found_wherever_they_stand_and_spans_are_joined():
    found = as_steering({"red": 2}, ["A red rose is red."], ())
    assert found[0].spans == ((0, 2, 5), (0, 14, 17)) and found[0].name == "red"
    assert Steering(((0, 4, 9), (0, 0, 5), (1, 0, 2))).spans == ((0, 0, 9), (1, 0, 2))


def test_labels_say_part_factor_and_place():
    span = ((0, 0, 3),)
    assert Steering(span, 0.25, name="question").label == "question × 1/4"
    assert Steering(span, 0, name="question").label == "question hidden"
    assert Steering(span, 4, layers=(1, 2, 3), heads=(0,), readers="answer", name="a").label == (
        "a × 4, layers 1 to 3, head 0, in the answer's rows"
    )
    assert Steering(span, target=0.3, bound="most", name="a").label == "a ≤ 30 %"
    assert steering_label([]) == ""
    assert [(s.factor, s.layers, s.heads) for s in pasta(span, {3: [1, 2]}, 0.25)] == [(4.0, (3,), (1, 2))]
    with pytest.raises(PromptError, match="alpha"):
        pasta(span, {3: [1]}, 0.0)


def test_a_steering_that_lies_outside_the_text_is_refused():
    with pytest.raises(PromptError, match="outside the prompt"):
        Request(KEY, messages=(Message("user", "short"),), steering=(Steering(((0, 0, 99),), 2),))
    with pytest.raises(PromptError, match="outside the prompt"):
        Request(KEY, token_ids=(1, 2, 3), steering=(Steering(((0, 0, 2),), 2),))
