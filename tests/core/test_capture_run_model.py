"""Tests runs of tiny models end to end: equal to a plain forward pass, repeatable, cancellable; refusals."""

import json
import threading

import numpy as np
import pytest
import torch

from core import explain
from core.capture import capture, make_request
from core.errors import Cancelled, CaptureError, MethodError, ModelError, PromptError
from core.models import load_model
from core.records import MAX, MEAN, WRITTEN, ModelKey
from tests.core import models_made_up as made_up
from tests.core import tiny
from tests.core.run_unstored import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """{family: a loaded tiny model} with a byte-level tokenizer of 259 tokens."""
    home = tmp_path_factory.mktemp("models")
    kept = {}

    def get(family):
        if family not in kept:
            sizes = {"vocab_size": 259, "eos_token_id": 0, "bos_token_id": None}
            folder = made_up.save_model(home / f"tiny-{family}", tiny.build(family, **sizes))
            settings = json.loads((folder / "generation_config.json").read_text())
            settings |= {"repetition_penalty": 5.0, "do_sample": True, "temperature": 3.0, "eos_token_id": 0}
            (folder / "generation_config.json").write_text(json.dumps(settings))
            kept[family] = load_model(str(folder))
        return kept[family]

    with made_up.alone(home):
        yield get


@pytest.fixture
def llama(models):
    return models("llama")


PROMPT = "Say it 東京!"


def test_a_run_says_what_a_plain_forward_pass_says(llama):
    trace = run(llama, PROMPT, max_new_tokens=9)
    ids = torch.tensor([trace.token_ids.tolist()])
    with torch.no_grad():
        logs = torch.log_softmax(llama.hf(ids).logits[0].float(), -1)
    p, t = trace.prompt_length, trace.steps
    rows = logs[p - 1 : p + t - 1]
    assert np.allclose(trace.logprobs, rows.gather(1, ids[0, p:, None])[:, 0], atol=1e-4)
    assert np.allclose(trace.entropy, -(rows.exp() * rows).sum(1), atol=1e-4)
    assert np.allclose(trace.alternative_logprobs, rows.topk(5).values, atol=1e-4)
    assert np.array_equal(trace.token_ids[p:], rows.argmax(1)), "greedy, and no penalty or sampling is inherited"
    assert trace.alternative_ids[:, 0].tolist() == trace.token_ids[p:].tolist()
    assert trace.ranks.tolist() == [1] * t


def test_ranks_of_a_given_answer_are_those_of_a_plain_forward_pass(llama):
    trace = run(llama, PROMPT, answer=" a likely or unlikely answer")
    ids = torch.tensor([trace.token_ids.tolist()])
    with torch.no_grad():
        logits = llama.hf(ids).logits[0].float()
    p = trace.prompt_length
    order = logits[p - 1 : -1].argsort(-1, descending=True)
    places = (order == ids[0, p:, None]).nonzero()[:, 1] + 1
    assert trace.ranks.tolist() == places.tolist() and max(trace.ranks) > 5


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "mistral", "lfm2", "bloom"])
def test_attention_is_what_eager_gives(models, family):
    from core.models.self_check import eager_rows

    model = models(family)
    assert model.ref.attention == ("eager" if family == "bloom" else "dispatch")
    trace = run(model, "abcdefg hij", raw=True, max_new_tokens=8)
    slow, _ = eager_rows(model.hf, torch.tensor([trace.token_ids[:-1].tolist()]))
    attention = trace.attention
    assert attention.shape == (model.ref.layers, model.ref.heads, trace.steps, len(trace.tokens) - 1)
    assert len(slow) == len(model.ref.attention_layers)
    for layer, rows in zip(model.ref.attention_layers, slow, strict=True):
        assert np.allclose(attention[layer], rows[0, :, -trace.steps :], atol=5e-5)
    without = sorted(set(range(model.ref.layers)) - set(model.ref.attention_layers))
    assert np.isnan(attention[without]).all()


def test_scoring_its_own_tokens_gives_the_same_numbers(llama):
    wrote = run(llama, PROMPT, max_new_tokens=9)
    read = run(llama, PROMPT, answer=wrote.token_ids[wrote.prompt_length :].tolist())
    assert read.finish == "given" and read.request.scored
    assert np.array_equal(read.token_ids, wrote.token_ids)
    assert np.allclose(read.logprobs, wrote.logprobs, atol=1e-4)
    assert np.allclose(read.attention, wrote.attention, atol=5e-5)


def test_a_given_text_is_read_and_ends_with_the_end_of_turn(llama):
    trace = run(llama, "Why?", answer="So it is.", author="a person")
    assert trace.answer == "So it is." and trace.request.author == "a person"
    assert trace.tokens.parts[-1] == "end" and trace.finish == "given"


def test_shapes_and_names(llama):
    trace = run(llama, PROMPT, max_new_tokens=6)
    p, t = trace.prompt_length, trace.steps
    assert len(trace.input_tokens) == p and len(trace.output_tokens) == t == len(trace.logprobs)
    assert len(trace.token_ids) == p + t
    assert trace.rows.packed.shape == (llama.ref.layers * llama.ref.heads, t, p + t - 1)
    for step in range(t):
        assert trace.attention[:, :, step, p + step :].max(initial=0) == 0, "columns not yet readable are zero"
    assert np.allclose(trace.attention.sum(-1), 1, atol=1e-5)
    six = trace.mass[..., :6].sum(-1)
    assert trace.groups[:6] == ("sink", "template", "system", "user", "assistant", "output")
    assert np.allclose(six, 1, atol=1e-5)
    query = np.stack([trace.attention[:, :, s, p - 1 + s] for s in range(t)], -1)
    assert np.allclose(trace.mass[..., 6], query, atol=5e-5)


def test_a_marked_segment_is_stripped_and_measured(llama):
    trace = run(llama, "[[instruction: Say]] it", max_new_tokens=3)
    assert "[[" not in trace.rendered and trace.request.messages[0].content == "Say it"
    assert run(llama, "Say it", max_new_tokens=3).id == trace.id, "segments do not change the run"
    heat = explain(trace, granularity="segment")
    at = heat.columns.labels.index("instruction")
    mass = trace.mass[..., trace.groups.index("segment:instruction")].mean((0, 1))
    assert np.allclose(heat.values[:, at], mass, atol=1e-4) and (mass > 0).all()


def test_sampling_repeats_and_leaves_the_global_seed_alone(llama):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = run(llama, PROMPT, temperature=1.0, seed=5, max_new_tokens=8)
    assert torch.equal(torch.rand(3), expected)
    again = run(llama, PROMPT, temperature=1.0, seed=5, max_new_tokens=8)
    other = run(llama, PROMPT, temperature=1.0, seed=6, max_new_tokens=8)
    assert first.token_ids.tolist() == again.token_ids.tolist() != other.token_ids.tolist()
    assert first.id == again.id != other.id


def test_raw_log_probabilities_also_when_sampled(llama):
    trace = run(llama, PROMPT, temperature=3.0, top_p=0.7, seed=1, max_new_tokens=6)
    read = run(llama, PROMPT, answer=trace.token_ids[trace.prompt_length :].tolist())
    assert np.allclose(trace.logprobs, read.logprobs, atol=1e-4)


def test_it_ends_at_a_stop_text(llama):
    whole = run(llama, PROMPT, max_new_tokens=12)
    stop = whole.output_tokens[4]
    trace = run(llama, PROMPT, max_new_tokens=12, stop=stop)
    assert trace.finish == "stop" and trace.steps <= 5 and stop not in trace.answer
    assert whole.finish == "length"


def test_it_ends_at_the_end_token(models):
    llama = models("llama")
    own = llama.hf.generation_config.eos_token_id
    ids = run(llama, PROMPT, max_new_tokens=4).token_ids
    llama.hf.generation_config.eos_token_id = [int(ids[-2])]
    try:
        trace = run(llama, PROMPT, max_new_tokens=9)
    finally:
        llama.hf.generation_config.eos_token_id = own
    assert trace.finish == "end" and trace.tokens.parts[-1] == "end"


def test_words_come_as_they_are_written_and_cancel_stops(llama):
    seen, stop = [], threading.Event()

    def progress(fraction, text, stream=None):
        if stream is not None:
            seen.append(stream)
            stop.set()

    request = make_request(llama.key, PROMPT, max_new_tokens=50)
    with pytest.raises(Cancelled):
        capture(llama, request, progress, stop.is_set)
    assert len(seen) == 1
    assert not llama.lock.locked()


def test_cancel_is_heard_within_a_layer(llama):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(Cancelled):
        capture(llama, make_request(llama.key, PROMPT, answer="abc"), cancelled=cancelled)
    assert len(asked) == 2


def test_what_does_not_fit_is_refused(llama, models):
    with pytest.raises(CaptureError, match="at most 128"):
        run(llama, "x" * 200, max_new_tokens=1)
    with pytest.raises(CaptureError, match="fewer new tokens"):
        run(llama, "x", max_new_tokens=500)


@pytest.mark.parametrize("prompt", ["", "   ", [], [{"role": "user", "content": " "}], [{"role": "user"}]])
def test_an_empty_prompt_is_refused(llama, prompt):
    with pytest.raises(PromptError):
        run(llama, prompt)


def test_unknown_settings_name_the_known_ones(llama):
    with pytest.raises(PromptError, match="max_new_tokens"):
        run(llama, "x", max_tokens=3)


def test_a_request_for_another_model_is_refused(llama):
    with pytest.raises(PromptError, match="another"):
        capture(llama, make_request(ModelKey("another", "f"), "x"))


def test_a_string_goes_raw_where_there_is_no_template(tmp_path, llama):
    folder = made_up.save_model(tmp_path / "base", tiny.build("gpt2", vocab_size=259, eos_token_id=0), template=None)
    base = load_model(str(folder))
    trace = run(base, "plain", max_new_tokens=2)
    assert trace.rendered == "plain" and not trace.request.messages
    assert run(llama, "plain", max_new_tokens=2).request.messages
    assert run(llama, "plain", max_new_tokens=2, raw=True).rendered == "plain"


def test_reduced_rows_give_the_same_means_and_maxima(llama):
    whole = run(llama, PROMPT, max_new_tokens=5)
    less = run(llama, PROMPT, max_new_tokens=5, keep="reduced")
    assert set(less.rows.heads.tolist()) == {MEAN, MAX, WRITTEN} and less.id == whole.id
    for method in ("mean-attention", "last-layer", "max-heads", "value-weighted"):
        assert np.allclose(explain(less, method).values, explain(whole, method).values, atol=5e-5)
    with pytest.raises(MethodError, match="keep='all'"):
        _ = less.attention
    none = run(llama, PROMPT, max_new_tokens=5, keep="none")
    assert none.rows is None and np.array_equal(none.mass, whole.mass)


def test_a_model_without_attention_still_answers(models):
    mamba = models("mamba")
    trace = run(mamba, "abc", raw=True, max_new_tokens=3)
    assert trace.rows is None and trace.steps == 3 and len(trace.model.attention_layers) == 0
    with pytest.raises(MethodError, match="no attention"):
        explain(trace)


def test_two_threads_get_what_one_gets(llama):
    alone = {p: run(llama, p, temperature=0.9, seed=3, max_new_tokens=8).token_ids.tolist() for p in ("one", "two")}
    got = {}
    threads = [
        threading.Thread(
            target=lambda p=p: got.__setitem__(
                p, run(llama, p, temperature=0.9, seed=3, max_new_tokens=8).token_ids.tolist()
            )
        )
        for p in alone
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == alone


def test_saved_and_fresh_agree_to_the_last_bit(llama, tmp_path, monkeypatch):
    from core import store

    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    trace = run(llama, PROMPT, max_new_tokens=5)
    store.save_run(trace)
    again = store.load_run(trace.request)
    assert np.array_equal(again.attention, trace.attention) and np.array_equal(again.mass, trace.mass)
    assert np.array_equal(explain(again).values, explain(trace).values)


@pytest.mark.parametrize("wrong", [None, 5, {"name": "llama"}])
def test_a_run_needs_a_loaded_model(llama, wrong):
    for model in (wrong, llama.hf):
        with pytest.raises(ModelError, match="load_model"):
            run(model, "x")


def test_the_coldest_temperature_is_greedy(llama):
    cold = run(llama, PROMPT, max_new_tokens=3, temperature=1e-45)
    assert cold.token_ids.tolist() == run(llama, PROMPT, max_new_tokens=3).token_ids.tolist()


@pytest.mark.parametrize(("error", "told"), [(ValueError("odd\nshape"), "odd shape"), (MemoryError(), "enough memory")])
def test_what_fails_inside_a_model_is_one_sentence(llama, monkeypatch, error, told):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(llama.hf.model, "forward", fail)
    for answer in (None, "yes"):
        with pytest.raises(CaptureError, match=told) as caught:
            run(llama, "x", answer=answer)
        assert caught.value.__cause__ is error and "\n" not in str(caught.value)
    monkeypatch.undo()
    assert not llama.lock.locked() and run(llama, "x", max_new_tokens=1).steps == 1
