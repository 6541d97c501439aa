"""Tests segments of a prompt knocked out in one batch against knocking them out one at a time."""

import numpy as np
import pytest

from core import knock_out
from core.capture import capture_all, make_request
from core.errors import Cancelled
from core.probe import ablate_segments, segment_ablation
from core.probe.segment_ablation import RunParts, ablate_runs
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


OTHERS = [
    SAID,
    [{"role": "user", "content": "[[question: Six seven eight?]] [[context: Nine, and ten of them.]]"}],
    [{"role": "user", "content": "[[question: Eleven]]"}],
]


@pytest.fixture(scope="module")
def runs(model):
    """Three runs of different length that were written in one batch, with their keys and values."""
    pasts = {}
    asked = [make_request(model.key, said, max_new_tokens=6) for said in OTHERS]
    traces = dict(capture_all(model, asked, pasts=pasts))
    assert set(pasts) == {0, 1, 2}
    return [RunParts(traces[i], parts(traces[i]), pasts[i]) for i in range(len(asked))]


def close(one, other):
    return set(one) == set(other) and all(np.allclose(one[k], other[k], atol=1e-4, equal_nan=True) for k in one)


@pytest.mark.parametrize("kept", [True, False])
def test_runs_together_are_what_they_are_alone(model, runs, kept, monkeypatch):
    together = ablate_runs(model, runs if kept else [RunParts(one.trace, one.parts) for one in runs])
    monkeypatch.setattr("core.probe.variant_scoring.can_pack", lambda model: False)
    for one, found in zip(runs, together, strict=True):
        assert close(found, ablate_segments(model, one.trace, one.parts))
    assert max(np.nanmax(np.abs(v)) for one in together for v in one.values()) > 1e-3


def test_runs_of_a_model_that_cannot_share_passes_are_ablated_one_by_one(model, runs, monkeypatch):
    together = ablate_runs(model, runs)
    monkeypatch.setattr(segment_ablation, "packs_runs", lambda model: False)
    assert all(close(a, b) for a, b in zip(ablate_runs(model, runs), together, strict=True))


def test_parts_alike_are_scored_once_and_runs_share_a_pass(model, runs, monkeypatch):
    sizes = []
    true = segment_ablation.score_packed
    monkeypatch.setattr(segment_ablation, "score_packed", lambda hf, t, c: sizes.append(len(t)) or true(hf, t, c))
    one = runs[1]
    twice = RunParts(one.trace, one.parts | {"again": one.parts["question"]}, one.past)
    found, _ = ablate_runs(model, [twice, runs[0]])
    assert np.array_equal(found["again", "mask"], found["question", "mask"])
    assert sizes == [2 * len(one.parts) + 2 * len(runs[0].parts)]


def test_a_hidden_last_token_and_a_steered_run_take_the_usual_way(model, runs):
    """Raw text ends with the user's own words, whose last token reads for the first step."""
    raw = run(model, "one two three", max_new_tokens=3, raw=True)
    steered = run(model, SAID, max_new_tokens=3, steer={"context": 3.0})
    asked = [
        RunParts(raw, {"end": [(0, 8, 13)], "start": [(0, 0, 3)]}),
        RunParts(steered, parts(steered)),
        RunParts(runs[0].trace, {}),
    ]
    for one, found in zip(asked, ablate_runs(model, asked), strict=True):
        assert close(found, ablate_segments(model, one.trace, one.parts))


def test_cancelling_stops_several_runs(model, runs):
    with pytest.raises(Cancelled):
        ablate_runs(model, runs, cancelled=lambda: True)
