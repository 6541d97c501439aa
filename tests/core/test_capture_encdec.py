"""Runs of encoder-decoders: rows are cross-attention, everything else is as in other runs; against plain passes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core import store
from core.capture import capture, capture_all, make_request
from core.charts import component_map
from core.errors import CaptureError, MethodError, ModelError, PromptError, StoreError
from core.importance import METHODS, explain, find_sinks, method_problem, offered_methods
from core.importance.uniform import uniform_of
from core.maps.run_maps import kinds_of_run, maps_of_run
from core.models.catalogue import CATALOGUE
from core.probe import knock_out
from core.records import UNKNOWN_LAYERS, Segment
from core.runs import is_stored
from core.store.json_files import run_from_json, run_to_json
from core.study.digest import make_digest
from tests.core.kinds_made_up import ENCDECS, build_kind, tokenizer, tokenizer_of_t5
from tests.core.test_capture_text_maps import KEY, made, stacked

PROMPT, ANSWER = "the sky is blue and deep", "one two three"
CLOSE = {"atol": 3e-5, "rtol": 0}
"""Rows pass through 16 bits."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


def model_of(family):
    return made(build_kind(family), "encdec", tokenizer_of_t5() if "t5" in family else tokenizer())


def asked(**settings):
    return make_request(KEY, PROMPT, raw=True, **{"max_new_tokens": 6} | settings)


def plain_pass(model, trace):
    """The library's own pass over a run's tokens."""
    ids = torch.from_numpy(np.array(trace.token_ids))
    p, start = trace.prompt_length, model.hf.config.decoder_start_token_id
    behind = torch.cat([torch.tensor([start]), ids[p:-1]])
    with torch.no_grad():
        return model.hf(
            input_ids=ids[None, :p], decoder_input_ids=behind[None], use_cache=False, output_attentions=True
        )


@pytest.mark.parametrize("given", [None, ANSWER])
@pytest.mark.parametrize("family", ENCDECS)
def test_a_run_equals_a_plain_pass(family, given):
    model = model_of(family)
    trace = capture(model, asked(answer=given))
    out, p = plain_pass(model, trace), trace.prompt_length
    assert trace.rows.kind == "cross" and trace.reads_prompt_only
    np.testing.assert_allclose(trace.attention[..., :p], stacked(out.cross_attentions), **CLOSE)
    assert not trace.attention[..., p:].any()
    np.testing.assert_allclose(trace.attention.sum(-1), 1, atol=1e-5)
    logs = torch.log_softmax(out.logits[0].float(), -1)
    written = torch.from_numpy(trace.token_ids[p:].copy())
    np.testing.assert_allclose(trace.logprobs, logs.gather(1, written[:, None])[:, 0], atol=1e-4)
    np.testing.assert_allclose(trace.entropy, -(logs.exp() * logs).sum(-1), atol=1e-4)
    np.testing.assert_array_equal(trace.alternative_ids, logs.topk(5).indices)
    np.testing.assert_array_equal(trace.ranks, (logs > logs.gather(1, written[:, None])).sum(-1) + 1)
    if given is None:
        assert (trace.ranks == 1).all() and trace.finish in ("end", "length")
    else:
        assert trace.answer.split() == given.split() and trace.finish == "given" and trace.tokens.parts[-1] == "end"
    for kind, expected in (("encoder", out.encoder_attentions), ("self", out.decoder_attentions)):
        np.testing.assert_allclose(maps_of_run(trace, kind).values, stacked(expected), **CLOSE)


@pytest.fixture(scope="module")
def run():
    return capture(model_of("bart"), asked())


def test_the_start_token_is_no_output_and_the_end_of_the_input_is_markup(run):
    p = run.prompt_length
    assert run.tokens.texts[:p] == ("<s>", *PROMPT.split(), "</s>")
    assert run.tokens.roles[:p] == ("template", *["user"] * 6, "template") and run.steps == 6
    assert run.norms.shape[2] == 0
    assert "is not known" in method_problem(run, "value-weighted")


def test_what_the_model_must_begin_with_comes_first_and_scores_stay_raw():
    model = model_of("bart")
    usual = capture(model, asked())
    model.forced = 20, (int(usual.token_ids[usual.prompt_length + 1]),)
    forced = capture(model, asked())
    p = forced.prompt_length
    assert forced.token_ids[p] == 20 and forced.token_ids[p + 1] != usual.token_ids[p + 1]
    assert forced.ranks[0] > 1 and np.isfinite(forced.logprobs).all()
    np.testing.assert_array_equal(forced.alternative_ids[0], usual.alternative_ids[0])


def test_shares_add_up_and_nothing_falls_on_output(run):
    mass = dict(zip(run.groups, np.moveaxis(run.mass, -1, 0), strict=True))
    parts = ("sink", "template", "system", "user", "assistant", "output")
    np.testing.assert_allclose(sum(mass[g] for g in parts), 1, atol=1e-5)
    assert not mass["output"].any() and not mass["query"].any()
    np.testing.assert_allclose(mass["sink"], run.attention[..., 0], **CLOSE)
    for name in offered_methods(run):
        if not METHODS[name].picks:
            found = explain(run, name)
            assert (found.shares["output"] == 0).all() and (found.shares["query"] == 0).all()
            np.testing.assert_allclose(found.uniform, 1 / run.prompt_length, atol=1e-6)
    np.testing.assert_allclose(uniform_of(run, np.zeros(0, int)).sum(1), 1, atol=1e-5)


def test_the_first_word_of_an_input_is_no_sink(run):
    assert find_sinks(run) == (0,)
    other = capture(model_of("t5"), asked())
    assert other.tokens.texts[0] == "the" and find_sinks(other) == ()
    assert not other.mass[..., other.groups.index("sink")].any()
    kept, dropped = explain(other, sink="keep"), explain(other, sink="drop")
    np.testing.assert_array_equal(kept.values, dropped.values)
    assert dropped.notes == ()
    digest = make_digest(other)
    assert digest.mass[:, 0].max() == 0


def test_segments_are_counted():
    request = replace(asked(), segments=(Segment("context", 0, 4, 7),))
    trace = capture(model_of("bart"), request)
    at = trace.groups.index("segment:context")
    np.testing.assert_allclose(trace.mass[..., at], trace.attention[..., 2], **CLOSE)


def test_maps_of_a_run(run):
    assert kinds_of_run(run) == ("cross", "encoder", "self")
    cross, own = maps_of_run(run), maps_of_run(run, "self")
    assert cross.values.shape == (3, 4, 6, 8) and cross.kind == "cross" and not cross.causal
    assert cross.keys.texts == run.input_tokens and cross.queries.texts == run.output_tokens
    assert own.keys.texts == ("(start)", *run.output_tokens[:-1]) and own.causal and own.values.shape == (3, 4, 6, 6)
    assert maps_of_run(run, "encoder").values.shape == (2, 4, 8, 8)
    less = capture(model_of("bart"), asked(keep="reduced"))
    assert kinds_of_run(less) == () and less.encoder_rows is None
    with pytest.raises(MethodError, match="keeps no encoder attention: run it again"):
        maps_of_run(less, "encoder")
    np.testing.assert_allclose(explain(less).values, explain(run).values, atol=1e-4)


def test_a_run_is_stored_with_all_its_rows(run):
    store.save_run(run)
    back = store.load_run(run.id)
    for kind in ("cross", "encoder", "self"):
        np.testing.assert_array_equal(maps_of_run(back, kind).values, maps_of_run(run, kind).values)
    bare = store.load_run(run.id, rows=False)
    assert bare.rows is bare.encoder_rows is bare.decoder_rows is None
    opened = run_from_json(run_to_json(run))
    np.testing.assert_array_equal(opened.decoder_rows.packed, run.decoder_rows.packed)
    assert run_from_json(run_to_json(run, rows=False)).encoder_rows is None


def test_a_file_whose_rows_are_of_another_kind_is_refused(run):
    wrong = replace(run, rows=replace(run.rows, kind="self"))
    with pytest.raises(StoreError, match="rows of another kind"):
        run_from_json(run_to_json(wrong))
    packed = run.rows.packed.copy()
    packed[0, 0, run.prompt_length] = 9
    with pytest.raises(StoreError, match="reads output in the input"):
        run_from_json(run_to_json(replace(run, rows=replace(run.rows, packed=packed))))
    text = json.loads(run_to_json(run))
    text["trace"]["fields"]["model"]["kind"] = "decoder"
    with pytest.raises(StoreError):
        run_from_json(json.dumps(text).encode())


def test_sampling_and_stop_texts_work():
    model = model_of("bart")
    one, two = (capture(model, asked(temperature=1.0, seed=s)) for s in (1, 1))
    assert one.token_ids.tolist() == two.token_ids.tolist()
    text = capture(model, asked(max_new_tokens=3)).answer.split()
    stopped = capture(model, asked(stop=(text[0],)))
    assert stopped.finish == "stop" and stopped.steps < 3


def test_runs_of_a_batch_are_made_one_by_one():
    found = dict(capture_all(model_of("bart"), [asked(), asked(answer=ANSWER)]))
    assert found[0].rows.kind == found[1].rows.kind == "cross"


def test_refusals_are_one_sentence():
    encoder = made(build_kind("bert"), "encoder")
    with pytest.raises(ModelError, match="is an encoder: it writes no answer; look at it on Diagrams"):
        capture(encoder, asked())
    assert isinstance(dict(capture_all(encoder, [asked()]))[0], ModelError)
    with pytest.raises(CaptureError, match="reads at most 60 of each: shorten"):
        capture(model_of("bart"), asked(max_new_tokens=61))
    assert capture(model_of("bart"), asked(max_new_tokens=55)).steps <= 55  # each has the whole length
    with pytest.raises(PromptError, match="makes no token"):
        capture(model_of("bart"), asked(answer=" "))
    with pytest.raises(PromptError, match="no chat template"):
        capture(
            model_of("bart"), make_request(KEY, [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}])
        )


@pytest.mark.slow
def test_the_trained_one_reads_each_part_of_a_date_where_it_stands():
    from core.models import load_model
    from core.text_readings import TextDraft, text_maps

    model = load_model("dates-t5")
    assert (model.ref.kind, model.ref.context, model.ref.label) == ("encdec", 64, CATALOGUE["dates-t5"].label)
    assert model.ref.parameters == CATALOGUE["dates-t5"].parameters
    trace = capture(model, make_request(model.key, "the 3rd of March 1998", raw=True))
    assert trace.answer == "1998-03-03" and trace.finish == "end"
    read = maps_of_run(trace).map([0], [2])
    best = [read.keys.texts[at].strip() for at in read.values.argmax(1)]
    assert best[:4] == ["1", "9", "9", "8"] and best[5:7] == ["March", "March"] and best[8:10] == ["3", "3"]
    reading = text_maps(TextDraft("dates-t5", "the 3rd of March 1998"))
    assert reading.written == trace.answer
    np.testing.assert_allclose(reading.of("cross").values, maps_of_run(trace).values, atol=5e-5)
    wrong = capture(model, make_request(model.key, "the 3rd of March 1998", answer="1998-03-04", raw=True))
    assert wrong.logprobs[9] < -5 < trace.logprobs[9], "only the digit that is wrong is unlikely"
    effect = knock_out(model, trace).effect[:, 5:7].sum(1)
    labels = [label.strip() for label in knock_out(model, trace).units.labels]
    assert labels[int(effect.argmax())] == "March", "without the month its digits are lost"


def test_components_are_of_decoders_and_the_run_says_so():
    model = model_of("t5")
    trace = capture(model, asked(keep="components"))
    assert trace.components is None and UNKNOWN_LAYERS in trace.notes
    assert UNKNOWN_LAYERS not in capture(model, asked(keep="all")).notes
    plain = capture(model, asked(keep="all"))
    store.save_run(plain)
    assert is_stored(trace.request)  # it would be made again for nothing
    with pytest.raises(MethodError, match="not known to Heed"):
        component_map(plain, "residual")
    with pytest.raises(MethodError, match="not known to Heed"):
        component_map(trace, "residual")
    with pytest.raises(MethodError, match="There is no view 'bogus'"):
        component_map(trace, "bogus")
