"""Tests of knock-out jobs: from a request to a stored probe; what a cancelled job had
computed is gone on with, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.capture import capture, make_request
from core.errors import Cancelled
from core.jobs import Jobs, probe_jobs
from core.jobs.probe_jobs import (
    attribution_work,
    next_work,
    probe_time,
    probe_work,
    switch_off_time,
    switch_off_work,
)
from core.probe import attribute, hide_units, knock_out, switch_off, variant_scoring
from core.probe.time_estimate import estimate_attribution, estimate_writing
from core.records import Part, all_heads
from core.runs import Draft
from core.text.deletion import delete_spans
from tests.core import probe_made_up as made


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    with made.made_up.alone(home):
        yield made.load(home / "llama", made.random("llama"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def request_(llama):
    return make_request(llama.key, "[[context: One two]] three?", max_new_tokens=5)


def done(work):
    return work(lambda *_: None, lambda: False)


@pytest.mark.parametrize("mode", ["mask", "remove"])
@pytest.mark.parametrize("units", ["word", "segment"])
def test_a_run_that_is_not_there_is_captured_first(llama, request_, units, mode):
    result = done(probe_work(request_, units, mode))
    probe = store.load_probe(*result)
    trace = store.load_run(request_)
    assert trace.rows is not None and result[:3] == (request_.id, units, mode)
    assert np.allclose(probe.logprobs, knock_out(llama, trace, units, mode).logprobs, atol=1e-5, equal_nan=True)


def test_a_draft_is_as_good_as_a_request(llama):
    draft = Draft(llama.key.name, "One two?", settings={"max_new_tokens": 4})
    assert store.load_probe(*done(probe_work(draft))).base.shape == (4,)


def test_a_run_without_rows_is_probed_as_it_is(llama, request_, monkeypatch):
    store.save_run(capture(llama, request_))
    monkeypatch.setenv("HEED_STORE_GB", "0")
    store.evict_rows()
    assert store.load_run(request_).rows is None
    done(probe_work(request_))
    assert store.load_run(request_).rows is None and store.load_probe(request_.id, "word", "mask") is not None


def test_picked_words(llama, request_):
    store.save_run(capture(llama, request_))
    every = store.load_probe(*done(probe_work(request_)))
    result = done(probe_work(request_, masks=every.masks[2]))
    assert np.allclose(store.load_probe(*result).logprobs[0], every.logprobs[2], atol=1e-4)


def test_an_attribution_of_one_word_over_another(llama, request_):
    trace = capture(llama, request_)
    store.save_run(trace)
    other = int(trace.alternative_ids[1][1])
    done(attribution_work(request_, "input-x-gradient", 1, other))
    found = store.load_attribution(trace.id, "input-x-gradient", 1, other)
    assert found.parameters["against"] == other and found.spans.tolist() == [[1, 2]]
    want = attribute(llama, trace, "input-x-gradient", [(1, 2)], against=other)
    assert np.allclose(found.values, want.values, atol=1e-5)
    assert store.load_attribution(trace.id, "input-x-gradient") is None


def test_a_stored_probe_is_not_made_again(llama, request_, monkeypatch):
    done(probe_work(request_))
    monkeypatch.setattr(variant_scoring.Scorer, "score", lambda *a: 1 / 0)
    assert store.load_probe(*done(probe_work(request_))) is not None


def stopped(work, after):
    """Runs ``work`` until ``after`` batches have been told, then cancels it; returns what was told."""
    told = []

    def cancelled():
        return sum("Without" in t or "Variant" in t for t in told) > after

    with pytest.raises(Cancelled):
        work(lambda fraction, text, stream=None: told.append(text), cancelled)
    return told


@pytest.mark.parametrize("mode", ["mask", "remove"])
def test_what_a_cancelled_knock_out_had_computed_is_kept_and_gone_on_with(llama, request_, monkeypatch, mode):
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 40)
    trace = capture(llama, request_)
    store.save_run(trace)
    stopped(probe_work(request_, mode=mode), 1)
    stopped(probe_work(request_, mode=mode), 1)
    assert store.load_probe(request_.id, "word", mode) is None, "a part is not the whole"
    part = store.load_probe(request_.id, "word", mode, partial=True)
    scored = part.parameters["scored"]
    assert 2 <= len(scored) < len(part.units) and np.isnan(part.logprobs).all(1).sum() == len(part.units) - len(scored)
    time = probe_time(trace, "word", mode)
    assert f"{len(scored)} of {len(part.units)} are there" in time.text
    done_again = []
    monkeypatch.setattr(variant_scoring.Scorer, "_pass", counted(variant_scoring.Scorer._pass, done_again))
    whole = store.load_probe(*done(probe_work(request_, mode=mode)))
    assert sum(done_again) == np.isfinite(whole.logprobs).all(1).sum() - len(scored)
    want = knock_out(llama, trace, "word", mode)
    assert np.array_equal(whole.logprobs, want.logprobs, equal_nan=True) and np.array_equal(whole.base, want.base)
    assert whole.parameters == want.parameters and whole.notes == want.notes and whole.seconds >= part.seconds
    assert store.load_probe(request_.id, "word", mode, partial=True) is None, "the whole takes its place"
    assert len(list(store.folders.run_folder(request_.id).glob("probe-*"))) == 2


def counted(true, sizes):
    return lambda self, batch: sizes.append(len(batch)) or true(self, batch)


def test_random_halves_go_on_too_and_each_set_by_itself(llama, request_, monkeypatch):
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 1)
    trace = capture(llama, request_)
    store.save_run(trace)
    count = len(knock_out(llama, trace).units)
    masks = np.random.default_rng(0).random((8, count)) < 0.5
    stopped(probe_work(request_, masks=masks), 4)
    assert store.load_probe(request_.id, "word", "mask", masks[::-1], partial=True) is None
    assert len(store.load_probe(request_.id, "word", "mask", masks, partial=True).parameters["scored"]) >= 4
    whole = store.load_probe(*done(probe_work(request_, masks=masks)))
    assert np.array_equal(whole.logprobs, hide_units(llama, trace, masks).logprobs, equal_nan=True)


def test_a_part_that_was_computed_otherwise_is_not_used(llama, request_, monkeypatch):
    trace = capture(llama, request_)
    store.save_run(trace)
    whole = knock_out(llama, trace)
    wrong = dict(whole.parameters) | {"scored": [0, 1]}
    store.save_probe(replace(whole, base=whole.base - 1, logprobs=whole.logprobs + 5, parameters=wrong))
    found = store.load_probe(*done(probe_work(request_)))
    assert np.array_equal(found.logprobs, whole.logprobs, equal_nan=True)


def test_a_killed_process_loses_little(llama, request_, monkeypatch):
    monkeypatch.setitem(variant_scoring.TOKENS, "cpu", 1)
    monkeypatch.setattr(probe_jobs, "KEEP_EVERY", 0.0)
    store.save_run(capture(llama, request_))
    seen = []

    def tell(fraction, text, stream=None):
        part = store.load_probe(request_.id, "word", "mask", partial=True)
        seen.append(0 if part is None else len(part.parameters["scored"]))

    probe_work(request_)(tell, lambda: False)
    assert max(seen) >= 3, "it is kept while it runs"


def test_jobs_measure_their_speed(llama, request_):
    trace = store.load_run(done(probe_work(request_))[0])
    assert probe_time(trace).measured
    done(attribution_work(request_, "input-x-gradient"))
    assert estimate_attribution(trace, "input-x-gradient").measured and estimate_writing(trace, 1).measured


def test_in_the_queue(llama, request_):
    jobs = Jobs()
    job = jobs.submit("probe", probe_work(request_))
    assert job.wait(60) and job.state == "done", job.error
    assert store.load_probe(*job.result).trace_id == request_.id
    bad = jobs.submit("bad", probe_work(request_, mode="delete"))
    assert bad.wait(60) and bad.state == "failed" and "mask, remove" in bad.error


def test_next_words_of_a_prompt_and_of_one_without_words(llama, request_):
    other = delete_spans(request_, [(0, 0, 3)])
    found = done(next_work([request_, other], k=3))
    assert found.request_ids == (request_.id, other.id)
    trace = capture(llama, other)
    at = found.ids.tolist().index(int(trace.alternative_ids[0, 0]))
    assert np.isclose(found.logprobs[1, at], trace.alternative_logprobs[0, 0], atol=1e-4)


def test_switching_off_parts_is_stored_once_and_its_speed_noted(llama, request_, monkeypatch):
    trace = capture(llama, request_)
    store.save_run(trace)
    heads, unit = all_heads(trace.model), (Part("unit", 1, 3),)
    assert not switch_off_time(trace).measured
    for asked, parts in (((), heads), (unit, unit)):
        assert done(switch_off_work(request_, asked)) == trace.id
        found = store.load_switched_off(trace.id, parts)
        assert np.allclose(found.effect, switch_off(llama, trace, parts).effect, atol=1e-5)
    assert switch_off_time(trace).measured and switch_off_time(trace, unit).seconds < switch_off_time(trace).seconds
    monkeypatch.setattr("core.probe.switched_parts.switch_off", lambda *a, **k: pytest.fail("it was made again"))
    monkeypatch.setattr("core.probe.switch_off", lambda *a, **k: pytest.fail("it was made again"))
    done(switch_off_work(request_))


def test_switching_off_captures_a_run_that_is_not_there_and_a_cancelled_one_stores_nothing(llama, request_):
    with pytest.raises(Cancelled):
        switch_off_work(request_)(lambda *_: None, lambda: store.has_run(request_.id))
    assert store.load_switched_off(request_.id, all_heads(llama.ref)) is None
    done(switch_off_work(request_))
    assert store.load_switched_off(request_.id, all_heads(llama.ref)) is not None
