"""Tests of the jobs that steer: what they store, what a cancelled one keeps, and that nothing is made twice."""

import numpy as np
import pytest

from core import store
from core.capture import capture, make_request
from core.errors import Cancelled, MethodError
from core.jobs.steering_jobs import steer_time, steer_work
from core.probe.steer_run import steer_each, steered_request
from core.records import Steering
from tests.core import probe_made_up as made

LADDER = tuple(Steering(((0, 0, 3),), factor, name="One") for factor in (0.25, 1.0, 16.0))


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
    return make_request(llama.key, "One two three?", max_new_tokens=5)


def done(work):
    return work(lambda *_: None, lambda: False)


def test_a_ladder_is_stored_with_its_runs_and_not_made_again(llama, request_, monkeypatch):
    trace = capture(llama, request_)
    store.save_run(trace)
    assert not steer_time(trace, LADDER).measured
    assert done(steer_work(request_, LADDER)) == trace.id
    found = store.load_steered(trace.id, LADDER)
    own = steer_each(llama, trace, LADDER)
    assert np.allclose(found.logprobs, own.logprobs, atol=1e-5) and found.answers == own.answers
    assert found.run_ids[1] == trace.id, "the factor 1 is the run itself"
    for one, run_id in zip(LADDER, found.run_ids, strict=True):
        assert store.load_run(run_id).request.steering == ((one,) if one.changes else ())
    assert steer_time(trace, LADDER).measured
    assert store.load_steered(trace.id, LADDER, anew=False) is None
    monkeypatch.setattr("core.probe.steer_run.steer_each", lambda *a, **k: pytest.fail("it was made again"))
    done(steer_work(request_, LADDER))


def test_the_same_answer_alone_makes_no_runs(llama, request_):
    layers = tuple(Steering(((0, 0, 3),), 8, layers=(layer,)) for layer in llama.ref.attention_layers)
    run_id = done(steer_work(request_, layers, anew=False))
    assert store.load_steered(run_id, layers, anew=False).answers == ()
    assert [info.id for info in store.find_runs()] == [run_id], "only the plain run, which was missing"


def test_a_cancelled_ladder_keeps_the_runs_that_were_there_and_the_next_one_uses_them(llama, request_, monkeypatch):
    trace = capture(llama, request_)
    store.save_run(trace)
    first = steered_request(trace, LADDER[0]).id
    monkeypatch.setattr("core.probe.steer_run.BATCH", 1)
    with pytest.raises(Cancelled):
        steer_work(request_, LADDER)(lambda *_: None, lambda: store.has_run(first))
    assert store.has_run(first) and store.load_steered(trace.id, LADDER) is None
    stamp = store.run_stamp(first)
    done(steer_work(request_, LADDER))
    assert store.load_steered(trace.id, LADDER).run_ids[0] == first and store.run_stamp(first) == stamp


def test_a_steered_run_is_refused(llama):
    asked = make_request(llama.key, "One two three?", max_new_tokens=3, steer={"One": 4})
    with pytest.raises(MethodError, match="steer the plain run of the same prompt"):
        done(steer_work(asked, LADDER))
