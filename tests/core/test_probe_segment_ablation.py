"""Tests segments of a prompt knocked out in one batch against knocking them out one at a time."""

import numpy as np
import pytest

from core import knock_out
from core.errors import Cancelled
from core.probe import ablate_segments
from tests.core import probe_made_up as made
from tests.core.run_unstored import run

SAID = [
    {"role": "system", "content": "[[instruction: Be brief.]]"},
    {"role": "user", "content": "[[context: One two three.]] [[question: Four five?]]"},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    with made.made_up.alone(home):
        yield made.load(home / "llama", made.random("llama"), made.made_up.TEMPLATE)


@pytest.fixture(scope="module")
def trace(model):
    return run(model, SAID, max_new_tokens=6)


def parts(trace):
    return {s.name: [(s.message, s.start, s.end)] for s in trace.request.segments}


@pytest.mark.parametrize("mode", ["mask", "remove"])
def test_segments_lose_what_knock_out_says(model, trace, mode):
    got = ablate_segments(model, trace, parts(trace), modes=[mode])
    probe = knock_out(model, trace, units="segment", mode=mode)
    for name in ("instruction", "context", "question"):
        expected = probe.effect[probe.units.labels.index(name)]
        np.testing.assert_allclose(got[name, mode], expected, atol=2e-5)
        assert np.abs(got[name, mode]).max() > 1e-3


def test_a_part_may_lie_in_another_and_may_stand_twice(model, trace):
    question = parts(trace)["question"][0]
    inner = (question[0], question[1], question[1] + 4)
    both = [*parts(trace)["context"], question]
    got = ablate_segments(model, trace, {"all": both, "inner": [inner]})
    probe = ablate_segments(model, trace, {"question": [question]})
    assert set(got) == {(n, m) for n in ("all", "inner") for m in ("mask", "remove")}
    assert not np.allclose(got["inner", "mask"], probe["question", "mask"])
    assert np.isfinite(got["all", "remove"]).all()


def test_what_cannot_be_made_is_nan(model, trace):
    everything = [(i, 0, len(m.content)) for i, m in enumerate(trace.request.messages)]
    got = ablate_segments(model, trace, {"everything": everything, "nothing": []})
    assert np.isnan(got["everything", "remove"]).all() and np.isfinite(got["everything", "mask"]).all()
    assert np.isnan(got["nothing", "mask"]).all() and np.isnan(got["nothing", "remove"]).all()


def test_cancelling_stops(model, trace):
    with pytest.raises(Cancelled):
        ablate_segments(model, trace, parts(trace), cancelled=lambda: True)
