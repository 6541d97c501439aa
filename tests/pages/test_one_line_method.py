"""Tests that a method added by one line in METHODS is offered where a run has what it needs, and draws everywhere."""

from itertools import product

import numpy as np
import pytest

from core import store
from core.importance import METHODS, Method
from core.records import Probe
from core.text.units import units
from pages.parts.compare.compare_views import COMPARE_VIEWS
from pages.parts.reading_controls import SINKS
from pages.parts.run_view import RUN_VIEWS
from tests.pages import made_up
from tests.pages.conftest import fine, texts


@pytest.fixture(autouse=True)
def median(monkeypatch):
    def median_head(source):
        return np.median(source.rows.weights(source.maps), axis=0)

    monkeypatch.setitem(METHODS, "median-head", Method("Median head", median_head, "score", "The median over heads."))


def test_on_explore(visit, keep):
    app = fine(visit(run=keep(made_up.run())))
    assert "Median head" in app.selectbox(key="method").options
    app = fine(app.selectbox(key="method").set_value("median-head").run())
    assert "score" in texts(app) and not app.warning


def test_on_compare(visit, keep):
    app = fine(visit("compare", runs=f"{keep(made_up.run('One'))},{keep(made_up.run('Two'))}", method="median-head"))
    assert {c.method for c in app.session_state.columns} == {"median-head"}
    app = fine(app.button(key="preset_methods").click().run())
    box = app.selectbox(key=f"c{app.session_state.columns[0].uid}_method")
    assert "Median head" in box.options


def test_on_study(visit):
    app = fine(visit("study"))
    assert "Median head" in app.multiselect(key="study_methods").options
    app = fine(app.multiselect(key="study_methods").set_value(["mean-attention", "median-head"]).run())
    pairs = app.selectbox(key="study_feature_0").options
    assert "Sink, median head" in pairs and "Sink, last layer" not in pairs


PROBE = ("probe",)


def hidden(source):
    """Values of both signs from the stored probe, which hides each word alone."""
    probe = source.given["probe"]
    out = np.zeros((source.trace.steps, len(source.trace.tokens) - 1), np.float32)
    np.add.at(out.T, probe.units.token, probe.effect[probe.units.unit])
    return out


def signed(source):
    weights = source.rows.weights(source.maps).mean(0)
    return np.where(np.arange(weights.shape[1]) % 2, weights, -weights)


def share_of_hidden(source):
    size = np.abs(hidden(source))
    return size / size.sum(1, keepdims=True)


KINDS = {
    "nats of rows": Method("Kind", signed, "nats", "x"),
    "nats of a probe": Method("Kind", hidden, "nats", "x", needs=PROBE),
    "score of a probe": Method("Kind", lambda s: np.abs(hidden(s)), "score", "x", needs=PROBE),
    "share of a probe": Method("Kind", share_of_hidden, "share", "x", needs=PROBE),
    "nats of rows and a probe": Method("Kind", lambda s: signed(s) + hidden(s), "nats", "x", needs=("rows", "probe")),
    "picked": Method("Kind", signed, "nats", "x", picks=True),
}


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    monkeypatch.delitem(METHODS, "median-head")  # Compare has room for four
    monkeypatch.setitem(METHODS, "kind", KINDS[request.param])


def probe_of(trace):
    found = units(trace.tokens, "word", range(trace.prompt_length))
    logprobs = np.random.default_rng(1).normal(size=(len(found), trace.steps))
    masks = np.eye(len(found), dtype=bool)
    return Probe(trace.id, found, masks, logprobs, np.zeros(trace.steps), "mask", parameters={"each": True})


def probed(keep, question):
    """Stores a run with a probe beside it; returns its id."""
    trace = made_up.run(question)
    run = keep(trace)
    store.save_probe(probe_of(trace))
    return run


def test_a_method_of_any_kind_draws_every_view_of_explore(visit, keep, kind):
    app = fine(visit(run=probed(keep, "What color is the sky?")))
    assert "Kind" in app.selectbox(key="method").options
    app = app.selectbox(key="method").set_value("kind").run()
    for (level, sink), view in zip(
        product(("word", "token", "sentence", "role"), SINKS), [*RUN_VIEWS] * 3, strict=False
    ):
        for name, value in {"level": level, "sink": sink, "chart": view}.items():
            app.session_state[name] = value
        app = fine(app.run())
        assert not app.warning and app.session_state["method"] == "kind"


def test_a_method_of_any_kind_draws_every_view_of_compare(visit, keep, kind):
    runs = [probed(keep, "What color is the sky?"), probed(keep, "What is the color of the sea?")]
    app = fine(visit("compare", runs=",".join(runs), method="kind,mean-attention"))
    for view in COMPARE_VIEWS:
        app = fine(app.segmented_control(key="compare_view").set_value(view).run())
        assert not app.warning and len([c for c in app.caption if "tokens in" in c.value]) == 2
    app = fine(app.button(key="preset_methods").click().run())
    assert "Kind" in app.selectbox(key=f"c{app.session_state.columns[0].uid}_method").options and not app.warning


@pytest.mark.parametrize("need", ["probe", "rollout", "weights"])
def test_a_method_whose_record_is_not_there_is_not_offered(visit, keep, monkeypatch, need):
    monkeypatch.setitem(METHODS, "left-out", Method("Left out", hidden, "nats", "x", needs=(need,)))
    one, two = keep(made_up.run("One")), keep(made_up.run("Two"))
    app = visit(run=one)
    assert "Left out" not in app.selectbox(key="method").options
    assert "**Left out**: not here. Left out needs" in app.selectbox(key="method").help
    app = visit("compare", runs=f"{one},{two}", method="left-out,mean-attention")
    assert not app.exception and not app.error
    assert [w.value for w in app.warning if "Left out needs" in w.value]
    assert len([c for c in app.caption if "tokens in" in c.value]) == 1, "the other column stands"
    first, second = (app.selectbox(key=f"c{c.uid}_method") for c in app.session_state.columns)
    assert "Left out" in first.options and "Left out" not in second.options
    app = fine(first.set_value("last-layer").run())
    assert not app.warning and len([c for c in app.caption if "tokens in" in c.value]) == 2
    app = fine(app.button(key="preset_methods").click().run())
    assert "left-out" not in [c.method for c in app.session_state.columns]


def test_a_run_from_before_value_norms_says_how_to_get_them(visit, keep):
    app = fine(visit(run=keep(made_up.run(norms=None))))
    box = app.selectbox(key="method")
    assert "Value-weighted" not in box.options
    assert (
        "**Value-weighted**: not here. This run was made before Heed kept how much each head writes: run it" in box.help
    )
    app = fine(visit(run=keep(made_up.run("Two"))))
    app = fine(app.selectbox(key="method").set_value("value-weighted").run())
    assert not app.warning


def test_heads_are_not_offered_where_only_reductions_were_kept(visit, keep, median):
    app = fine(visit(run=keep(made_up.reduced())))
    assert "Median head" not in app.selectbox(key="method").options
    app.session_state["heads"] = [1]
    app = fine(app.selectbox(key="method").set_value("picked-heads").run())
    assert not app.warning and app.multiselect(key="heads").disabled
    app = fine(app.multiselect(key="layers").set_value([0, 2]).run())
    assert not app.warning and "score" not in app.text[0].value


def test_a_run_that_cannot_be_read_by_the_last_method_is_read_by_the_default(visit, keep, monkeypatch):
    monkeypatch.setitem(METHODS, "kind", KINDS["nats of a probe"])
    one, two = probed(keep, "One"), keep(made_up.run("Two"))
    app = visit(run=one)
    app = app.selectbox(key="method").set_value("kind").run()
    app.query_params["run"] = two
    app.session_state["sink"] = "keep"
    app = app.run()
    assert not app.exception and not app.warning
    assert "Kind" not in app.selectbox(key="method").options and app.selectbox(key="method").value == "mean-attention"


def test_a_method_that_fails_leaves_the_box_to_switch_back(visit, keep, monkeypatch):
    monkeypatch.setitem(METHODS, "odd", Method("Odd", lambda source: np.zeros((2, 2)), "score", "x"))
    app = visit(run=keep(made_up.run()))
    app = app.selectbox(key="method").set_value("odd").run()
    assert not app.exception and "Odd gave an array of shape" in app.warning[0].value
    app = fine(app.selectbox(key="method").set_value("last-layer").run())
    assert not app.warning and app.selectbox(key="method").value == "last-layer" and app.text[0].value
