"""Tests that a method added by one line in METHODS is offered on every page with a choice of methods."""

import numpy as np
import pytest

from core.importance import METHODS, Method
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
    assert "median-head" in [c.method for c in app.session_state.columns]


def test_on_study(visit):
    app = fine(visit("study"))
    assert "Median head" in app.multiselect(key="study_methods").options
    app = fine(app.multiselect(key="study_methods").set_value(["mean-attention", "median-head"]).run())
    pairs = app.selectbox(key="study_feature_0").options
    assert "Sink, median head" in pairs and "Sink, last layer" not in pairs


def test_a_method_that_must_be_computed_first_is_told(visit, keep, monkeypatch):
    needy = Method("Left out", lambda source: None, "nats", "What hiding it cost.", needs=("probe",))
    monkeypatch.setitem(METHODS, "left-out", needy)
    app = fine(visit(run=keep(made_up.run())))
    app.selectbox(key="method").set_value("left-out").run()
    assert not app.exception and any("needs a Probe of this run" in w.value for w in app.warning)
