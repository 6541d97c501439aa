"""Explore and Compare with an encoder-decoder, and what pages that show answers say of encoders; tiny random models."""

from dataclasses import replace

import pytest

from core import store
from core.capture import capture, make_request
from core.jobs import jobs
from core.models import load, load_model
from core.models.catalogue import CATALOGUE
from core.records import ModelKey
from tests.core.kinds_made_up import save_kind
from tests.pages import made_up
from tests.pages.conftest import fine, texts

VIEWS = ("heatmap", "over", "heads", "table", "likelihood", "contrast", "whatif")
PROMPT = "the sky is blue and deep sea green"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_kind(tmp_path_factory.mktemp("kinds") / "tiny-t5", "t5"))


@pytest.fixture(autouse=True)
def models(home, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(home / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    yield
    load.unload_models()


def done(app):
    """The page once its job has ended."""
    for job in jobs().all():
        assert job.wait(60)
    return app.run()


def run(folder, prompt=PROMPT, **settings):
    model = load_model(folder)
    return store.save_run(capture(model, make_request(model.key, prompt, raw=True, max_new_tokens=6, **settings)))


def test_a_run_is_made_on_explore(visit, folder):
    app = visit(run=run(folder, "the day"))  # fills the form with the model
    app.text_area(key="prompt").set_value(PROMPT)
    app.button(key="run_button").click().run()
    app = fine(done(app))
    shown = texts(app)
    assert "9 input tokens, 6 output tokens" in shown and "by cross-attention" in shown
    assert "Earlier output **" not in shown or "Earlier output **0" in shown
    assert not app.warning


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_a_run(visit, folder, view):
    app = visit(run=run(folder, answer="one two three"))
    app.session_state["chart"] = view
    app = fine(app.run())
    assert not app.warning, app.warning[0].value
    if view == "contrast":
        assert "Slopes are not computed for encoder-decoders" in app.info[0].value
    else:
        assert "More methods" in str([e.label for e in app.expander])


def test_more_methods_offer_what_can_be_made(visit, folder):
    app = fine(visit(run=run(folder, answer="one two three")))
    offered = {b.key for b in app.button if b.key and b.key.startswith("more_")}
    assert "more_leave-one-out" in offered
    assert not offered & {"more_input-x-gradient", "more_rollout", "more_integrated-gradients"}
    app = fine(done(app.button(key="more_leave-one-out").click().run()))
    assert "more_leave-one-out" not in {b.key for b in app.button}


def test_two_runs_are_compared(visit, folder):
    two = ",".join((run(folder), run(folder, "the sea is green and the day is deep")))
    app = fine(visit("compare", runs=two))
    assert not app.warning and "Words without partner" in texts(app) or "the same in every column" in texts(app)
    for view in app.segmented_control(key="compare_view").options:
        assert view
    assert app.get("vega_lite_chart")


def test_encoders_are_not_offered_where_answers_are_written(visit):
    names = [entry.label for entry in CATALOGUE.values() if entry.kind == "encoder"]
    for page in ("", "compare", "grid", "study"):
        app = visit(page)
        boxes = [*app.selectbox, *app.multiselect]
        assert not [o for box in boxes for o in box.options if any(name in str(o) for name in names)], page


def test_an_encoder_that_is_typed_is_told(visit, keep, tmp_path):
    folder = str(save_kind(tmp_path / "tiny-bert", "bert"))
    app = visit(run=keep(replace(made_up.run(), request=replace(made_up.run().request, model=ModelKey(folder, "00")))))
    app.text_area(key="prompt").set_value(PROMPT)
    app.button(key="run_button").click().run()
    app = done(app)
    assert not app.exception
    assert [e.value for e in app.error] == [
        "tiny-bert is an encoder: it writes no answer; look at it on Diagrams, or pick a model that writes."
    ]
