"""Tests of Turn up or down on Explore: ladders by real jobs of a tiny model, and what is said where it cannot be."""

import threading
from dataclasses import replace

import pytest
import streamlit as st

from core import store
from core.jobs import jobs
from core.probe.steer_run import steer
from core.records import LADDER, Steering
from core.store.steering_example import import_steering_example
from tests.core import models_made_up
from tests.pages import made_up
from tests.pages.conftest import ROOT, fine, texts

PROMPT = "[[instruction: Answer in one sentence.]] [[question: What color is the sky now?]]"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    from core import load_model

    made = models_made_up.tiny_llama(max_position_embeddings=512, initializer_range=0.4)
    return load_model(str(models_made_up.save_model(tmp_path_factory.mktemp("steered") / "model", made)))


@pytest.fixture
def trace(model):
    from core import run

    made = run(model, PROMPT, max_new_tokens=12)
    store.save_run(made)
    return made


@pytest.fixture
def opened(visit, trace):
    """Explore with Turn up or down, the instruction picked."""
    app = fine(visit("explore", run=trace.id, view="whatif"))
    app = fine(app.radio(key="whatif:mode").set_value("steer").run())
    part = app.selectbox(key="whatif:part")
    return fine(part.set_value(next(o for o in part.options if o == "Segment instruction")).run())


def finish(app):
    for job in jobs().all():
        assert job.wait(120)
    return fine(app.run())


def said(app):
    return next((t.value for t in app.text if t.value.startswith("Reading the instruction")), "")


def table(app, column):
    return next(d.value for d in app.dataframe if column in d.value)


def test_a_ladder_is_computed_once_and_then_the_slider_moves(opened, model, trace):
    assert "in one go" in texts(opened) and not said(opened)
    app = finish(opened.button(key="whatif:steer_go").click().run())
    own = steer(model, trace, "instruction")
    shown = table(app, "Read")
    assert shown["Read"].tolist() == ["× 1/8", "× 1/4", "× 1/2", "× 1", "× 2", "× 4", "× 8"]
    assert shown["Tokens"].tolist() == own.answer_tokens.tolist()
    assert shown["Costs (nats a token)"].to_numpy() == pytest.approx(own.plain_logprobs, abs=1e-3, nan_ok=True)
    assert shown["Run"].tolist() == [f"/explore?run={run}" for run in own.run_ids], "each is a run of its own"
    assert shown["Followed"].str.contains(" of 1").all()
    assert said(app).startswith("Reading the instruction 8 times as much ")
    before = len(jobs().all())
    app = fine(app.select_slider(key="whatif:factor").set_value(0.25).run())
    assert said(app).startswith("Reading the instruction 1/4 as much ")
    app = fine(app.select_slider(key="whatif:factor").set_value(1.0).run())
    assert said(app).startswith("Reading the instruction as by itself is the plain run")
    assert len(jobs().all()) == before, "nothing is computed again"
    names = [b.label for b in app.get("download_button")]
    assert names[:4] == ["PNG", "SVG", "PDF", "CSV"]


def test_every_axis_of_the_chart_can_be_chosen_and_a_new_session_finds_the_ladder(opened, visit, trace):
    app = finish(opened.button(key="whatif:steer_go").click().run())
    for up in ("word", "followed", "tokens", "plain", "logprob"):
        app = fine(app.selectbox(key="whatif:dose_up").set_value(up).run())
    st.cache_resource.clear()  # a restarted server
    app = fine(visit("explore", run=trace.id, view="whatif"))
    app = fine(app.radio(key="whatif:mode").set_value("steer").run())
    app = fine(app.selectbox(key="whatif:part").set_value("Segment instruction").run())
    assert said(app)


def test_present_mode_walks_the_ladder(opened):
    app = finish(opened.button(key="whatif:steer_go").click().run())
    app.query_params["present"] = "1"
    app = fine(app.run())
    app = fine(app.button(key="present_steer").click().run())
    assert said(app).startswith("Reading the instruction 8 times as much ")
    app = fine(app.button(key="factor_more").click().run())
    assert said(app).startswith("Reading the instruction 8 times as much "), "the end of the ladder"
    app = fine(app.button(key="factor_less").click().run())
    assert said(app).startswith("Reading the instruction 4 times as much ")


def test_a_key_pressed_twice_at_once_goes_two_steps(opened):
    app = finish(opened.button(key="whatif:steer_go").click().run())
    app.query_params["present"] = "1"
    fine(app.run())
    app = fine(app.button(key="present_steer").click().run())
    app.session_state["whatif:factor"] = 4.0  # the first press, before anything was drawn
    app = fine(app.button(key="factor_less").click().run())
    assert said(app).startswith("Reading the instruction 2 times as much ")


def test_one_layer_and_one_head_at_a_time(opened, trace):
    app = finish(opened.button(key="whatif:steer_go").click().run())
    app = finish(app.button(key="whatif:place_go_layers").click().run())
    assert "Most at layer" in texts(app) and "Most at head" not in texts(app)
    app = fine(app.selectbox(key="whatif:place_layer").set_value(trace.model.attention_layers[-1]).run())
    app = finish(app.button(key="whatif:place_go_heads").click().run())
    assert "Most at head" in texts(app)
    app = fine(app.toggle(key="whatif:place_one").set_value(True).run())
    assert "whatif:place_word" in {box.key for box in app.selectbox}


def test_cancelled_says_so_and_keeps_what_was_finished(opened):
    free = threading.Event()
    jobs().submit("something else", lambda progress, cancelled: free.wait(60), "cpu")
    app = fine(opened.button(key="whatif:steer_go").click().run())
    app = fine(app.button(key="cancel_whatif:steer").click().run())
    free.set()
    assert "Cancelled." in texts(app) and not said(app)
    assert "whatif:steer_go" in {b.key for b in app.button}


def test_nothing_picked_and_the_other_ways_stay_as_they_were(opened):
    app = fine(opened.multiselect(key="whatif:box").set_value([]).run())
    assert "Pick words above" in texts(app)
    app = fine(app.radio(key="whatif:mode").set_value("mask").run())
    assert "whatif:go" in {b.key for b in app.button}


def test_what_cannot_be_steered_is_said_in_one_sentence(visit, keep):
    plain = made_up.run("Be brief. What color is the sky?")
    runs = {
        "choose Removed": made_up.attentionless(),
        "which tokens the words of this prompt are": made_up.unproven(),
        "no decoder": replace(plain, model=replace(plain.model, kind="encdec")),
    }
    for sentence, run in runs.items():
        keep(run)
        app = visit("explore", run=run.id, view="whatif")
        app = fine(app.radio(key="whatif:mode").set_value("steer").run())
        assert sentence in texts(app) and "whatif:steer_go" not in {b.key for b in app.button}


def steered_run():
    plain = made_up.run("Be brief. What color is the sky?")
    request = replace(plain.request, steering=(Steering(((0, 0, 9),), 4.0, name="Be brief."),))
    return plain, replace(plain, request=request, model=replace(plain.model, steered="Be brief. × 4"))


def test_a_steered_run_says_so_everywhere_and_leads_to_its_plain_run(visit, keep):
    plain, steered = steered_run()
    keep(plain)
    app = fine(visit("explore", run=keep(steered), view="whatif"))
    shown = texts(app)
    assert "steered: Be brief. × 4" in shown, "beside the model"
    assert "Steered (Be brief. × 4): While writing" in shown, "in the sentence"
    assert "What if starts from the plain run" in shown and "whatif:mode" not in {r.key for r in app.radio}
    app = fine(visit("runs"))
    assert app.dataframe[0].value["Model"].str.contains("steered: Be brief. × 4").sum() == 1


def test_running_again_keeps_the_steering_until_it_is_cleared(visit, keep, busy):
    plain, steered = steered_run()
    keep(plain)
    app = fine(visit("explore", run=keep(steered)))
    assert "Run reads this prompt steered: **Be brief. × 4**" in texts(app)
    app = app.text_area(key="prompt").set_value("Be kind. What color is the sky?").run()
    app = app.button(key="run_button").click().run()
    assert "does not stand there exactly once: clear the steering" in app.error[0].value
    app = fine(app.button(key="clear_steering").click().run())
    assert "Run reads this prompt steered" not in texts(app)
    app = fine(app.text_area(key="prompt").set_value("Be brief. What color is the sky?").run())
    assert "Changed since the run below" in texts(app) and "steering" in texts(app)


def test_the_example_opens_with_one_click_and_says_how_it_was_chosen(visit, keep):
    app = visit("explore", run=keep(made_up.run()), view="whatif")
    app = fine(app.radio(key="whatif:mode").set_value("steer").run())
    app = fine(app.button(key="steer_example").click().run())
    example = import_steering_example(ROOT / "examples" / "steering")
    assert app.query_params["run"] == [example.run_id] or app.query_params["run"] == example.run_id
    assert "How it was chosen" in texts(app) and said(app)
    assert len(table(app, "Read")) == len(LADDER) and not jobs().all()
