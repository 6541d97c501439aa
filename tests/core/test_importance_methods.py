"""Tests of METHODS: one line adds a method, its needs are checked, and it gets no other method's numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from core import explain
from core.comparing import side_by_side
from core.errors import MethodError, PromptError
from core.importance import (
    METHODS,
    Method,
    MethodInput,
    default_study_methods,
    method_problem,
    offered_methods,
    study_methods,
)
from core.records import ATTRIBUTIONS, MAX, MEAN, Importance, Probe, Rows, Units
from core.study.digest import kept_weights, make_digest, pack_digest, unpack_digest
from core.study.features import feature_columns, features
from core.study.plan import Plan
from core.study.study import Study
from core.text.token_groups import GROUPS
from tests.core import study_tiny
from tests.core.test_importance import HEADS, TRACE, P


def median_head(source: MethodInput) -> np.ndarray:
    """A method that no stored mean or maximum of a layer can give: the median over heads for each key."""
    return np.median(source.rows.weights(source.maps), axis=0)


MEDIAN = Method("Median head", median_head, "score", "For each token the median over all heads.")


@pytest.fixture
def median(monkeypatch):
    monkeypatch.setitem(METHODS, "median-head", MEDIAN)


def reduced():
    """The hand-made run with each layer's mean and maximum in place of its heads."""
    weights = np.array(list(HEADS.values())).reshape(2, 2, 3, 6)
    kept = np.stack([f(w, axis=0) for w in weights for f in (np.mean, np.max)])
    rows = Rows([3, 4, 5], [0, 0, 1, 1], [MEAN, MAX] * 2, np.round(65535 * np.sqrt(kept)), kept.sum(-1))
    return dataclasses.replace(TRACE, rows=rows, request=dataclasses.replace(TRACE.request, keep="reduced"))


def test_a_stored_reduction_stands_in_only_where_it_gives_the_same(median):
    for name in ("mean-attention", "last-layer", "max-heads"):
        np.testing.assert_allclose(explain(reduced(), name).values, explain(TRACE, name).values, atol=1e-4)
    with pytest.raises(MethodError, match=r"Median head needs every head.*with every head kept"):
        explain(reduced(), "median-head")


def test_a_method_gets_its_own_numbers(median):
    expected = np.median(np.array(list(HEADS.values())), axis=0)
    found = explain(TRACE, "median-head", inputs="all")
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert found.unit == "score" and not found.sums_to_one


def probe():
    """A probe that hides each prompt token alone: the second costs 2 nats at every step."""
    units = Units("token", TRACE.tokens.texts[:P], [-1, 0, 0, -1], [-1, 0, 3, -1], [-1, 3, 7, -1],
                  ("template", "user", "user", "template"), range(P), range(P), np.ones(P))  # fmt: skip
    logprobs = np.zeros((P, 3))
    logprobs[1] = -2
    return Probe(TRACE.id, units, np.eye(P, dtype=bool), logprobs, np.zeros(3), "mask")


def left_out(source: MethodInput) -> np.ndarray:
    """A method that reads a probe: nats that each step loses without each prompt token."""
    out = np.zeros((source.trace.steps, len(source.trace.tokens) - 1), np.float32)
    out[:, :P] = source.given["probe"].effect.T
    return out


def test_what_a_method_needs_beside_rows_is_asked_for(monkeypatch):
    asked = Method("Left out", left_out, "nats", "What hiding it cost.", needs=("probe",))
    monkeypatch.setitem(METHODS, "left-out", asked)
    with pytest.raises(MethodError, match="Left out needs every word of this run hidden alone: make it first"):
        explain(TRACE, "left-out")
    for trace in (TRACE, dataclasses.replace(TRACE, rows=None)):  # needs no rows
        found = explain(trace, "left-out", granularity="word", given={"probe": probe()})
        assert isinstance(found, Importance) and found.unit == "nats"
        assert dict(zip(found.columns.labels, found.values[0], strict=True))["red"] == 2
    with pytest.raises(MethodError, match="without layers and heads"):
        explain(TRACE, "left-out", heads=[0], given={"probe": probe()})
    assert "left-out" not in study_methods(), "a study keeps no probe of every unit"


def test_an_array_of_another_shape_is_told(monkeypatch):
    monkeypatch.setitem(METHODS, "odd", Method("Odd", lambda source: np.zeros((2, 2)), "score", "Wrong."))
    with pytest.raises(MethodError, match=r"Odd gave an array of shape \(2, 2\), expected \(3, 6\)"):
        explain(TRACE, "odd")


@pytest.mark.parametrize("name", ["nonsense", "picked-heads", ""])
def test_a_plan_takes_only_methods_that_a_study_can_read_by(name):
    wanted = {"models": ("m",), "suites": ("fact",), "methods": ("mean-attention", name or "x y")}
    with pytest.raises(PromptError, match=f"the methods are {', '.join(study_methods())}"):
        Plan("Test", **wanted)


def test_a_plan_reads_by_the_methods_that_say_so():
    assert Plan("Test", models=("m",), suites=("fact",)).methods == ("mean-attention", "last-layer")
    assert default_study_methods() == ("mean-attention", "last-layer")


GROUPED = dataclasses.replace(TRACE, groups=GROUPS, mass=np.zeros((2, 2, 3, len(GROUPS))))


def test_features_follow_any_method(median):
    assert "share_instruction@median-head" in feature_columns(["mean-attention", "median-head"])
    found = features(GROUPED, explain(GROUPED, "median-head"))
    raw = np.median(np.array(list(HEADS.values())), axis=0)
    assert found["sink"] == pytest.approx(raw[:2, 0].mean(), abs=1e-4)


def test_scores_above_one_are_kept_and_below_zero_refused(monkeypatch):
    monkeypatch.setitem(METHODS, "tall", Method("Tall", lambda s: 9 * s.rows.weights(s.maps).mean(0), "score", "x"))
    tall, mean = features(GROUPED, explain(GROUPED, "tall")), features(GROUPED)
    assert tall["sink"] == pytest.approx(9 * mean["sink"], rel=1e-3)
    monkeypatch.setitem(METHODS, "low", Method("Low", lambda s: -s.rows.weights(s.maps).mean(0), "score", "x"))
    with pytest.raises(MethodError, match="below 0"):
        features(GROUPED, explain(GROUPED, "low"))


def signed(source: MethodInput) -> np.ndarray:
    """Every other key counts as below 0."""
    weights = source.rows.weights(source.maps).mean(0)
    return 3 * np.where(np.arange(weights.shape[1]) % 2, weights, -weights)


def test_a_digest_keeps_nats_of_both_signs(monkeypatch):
    monkeypatch.setitem(METHODS, "signed", Method("Signed", signed, "nats", "x"))
    made = unpack_digest(pack_digest(make_digest(GROUPED, ("mean-attention", "signed"))))
    raw = explain(GROUPED, "signed", inputs="all").values
    assert raw.min() < -0.1 and raw.max() > 0.1
    np.testing.assert_allclose(kept_weights(made, "signed"), raw, atol=3e-4)
    found = features(GROUPED, explain(GROUPED, "signed"))
    assert found["sink"] == pytest.approx(raw[:2, 0].mean(), abs=1e-3) and found["sink"] < 0
    assert np.isnan(found["entropy"]) and np.isnan(found["gini"]), "values below 0 make no shares"
    np.testing.assert_array_equal(kept_weights(made), kept_weights(make_digest(GROUPED)))


def test_methods_are_offered_where_a_run_has_what_they_need(median, monkeypatch):
    every = offered_methods()
    asking = {"learned-heads": "weights", "leave-one-out": "probe", "surrogate": "masks"} | {k: k for k in ATTRIBUTIONS}
    assert set(METHODS) - set(every) == set(asking)
    monkeypatch.setitem(METHODS, "left-out", Method("Left out", left_out, "nats", "x", needs=("probe",)))
    monkeypatch.setitem(METHODS, "slopes", Method("Slopes", left_out, "nats", "x", needs=("rows", "rollout")))
    assert offered_methods() == offered_methods(TRACE) == every
    assert set(offered_methods(TRACE, {"probe": probe()})) == {*every, "leave-one-out", "left-out"}
    assert offered_methods(TRACE, asking.values()) == tuple(METHODS)
    assert offered_methods(reduced()) == ("mean-attention", "last-layer", "max-heads", "picked-heads")
    assert offered_methods(dataclasses.replace(TRACE, rows=None), ("probe",)) == ("leave-one-out", "left-out")
    for have in ((), ("probe",)):
        told = {name: method_problem(TRACE, name, have) for name in METHODS}
        assert tuple(name for name, problem in told.items() if not problem) == offered_methods(TRACE, have)


def test_a_method_that_nothing_could_read_by_is_not_made():
    with pytest.raises(MethodError, match="Odd needs 'probes': a method needs rows, values"):
        Method("Odd", left_out, "nats", "x", needs=("probes",))
    with pytest.raises(MethodError, match="Odd picks layers and heads, so it needs rows"):
        Method("Odd", left_out, "nats", "x", needs=("probe",), picks=True)


def test_values_that_are_no_numbers_are_told(monkeypatch):
    monkeypatch.setitem(METHODS, "odd", Method("Odd", lambda s: np.full((3, 6), np.nan), "score", "x"))
    with pytest.raises(MethodError, match="Odd gave values that are no finite numbers"):
        explain(TRACE, "odd")


def test_methods_without_rows_are_compared(monkeypatch):
    monkeypatch.setitem(METHODS, "left-out", Method("Left out", left_out, "nats", "x", needs=("probe",)))
    made = [
        explain(TRACE, m, sink="separate", granularity="word", given={"probe": probe()})
        for m in ("left-out", "mean-attention")
    ]
    found = side_by_side([TRACE, TRACE], made)
    assert np.isnan(found.shares["sink"][0]) and np.isfinite(found.shares["sink"][1])
    assert found.values[0, list(found.units.labels).index("red")] == 2 and found.agreements


def test_a_study_reads_by_a_method_of_ones_own(median, tmp_path, monkeypatch):
    """The method's rows come from every head, not from a stored mean under its label."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    plan = study_tiny.plan(study_tiny.model(tmp_path), 2, methods=("mean-attention", "median-head", "max-heads"))
    study = Study(plan)
    try:
        assert study.run(1).over
        table = study.table()
        own, mean, high = (table[f"sink{end}"].to_numpy() for end in ("@median-head", "", "@max-heads"))
        assert np.isfinite(own).all() and (own < high).all() and not np.allclose(own, mean)
        trace = run_of(study, table)
        expected = np.median(trace.attention.reshape(-1, *trace.attention.shape[2:]), axis=0)
        assert own[0] == pytest.approx(expected[trace.answer_steps, 0].mean(), abs=1e-4)
    finally:
        study.close()


def run_of(study: Study, table: pd.DataFrame):
    """Captures the first run of a study again, with every head."""
    from core.capture import capture
    from core.models import load_model

    request = dataclasses.replace(study.request(table["cell"][0]), keep="all")
    return capture(load_model(request.model), request)
