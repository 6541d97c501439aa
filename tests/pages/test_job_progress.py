"""Tests of jobs on pages: a cancelled one tells, a reload finds its job, a second session is told its place and time."""

import threading

import pytest
import streamlit as st

from core.errors import HeedError
from core.jobs import Jobs, jobs
from core.models.model_key import known_ref, resolve
from pages.parts import job_progress
from tests.pages import made_up
from tests.pages.conftest import fine, texts

OTHER = "Name a colour of the sea."


def asked(app, prompt):
    app.text_area(key="prompt").set_value(prompt)
    return fine(app.button(key="run_button").click().run())


def own_jobs():
    return [job for job in jobs().all() if job.key != "something else"]


@pytest.fixture
def needs_model():
    try:
        if known_ref(resolve("smollm2-135m-instruct")) is None:
            pytest.skip("the small model was never loaded here")
    except HeedError:
        pytest.skip("the small model is not here")


def test_after_cancel_the_box_and_the_result_are_set_apart_in_one_line(visit, busy):
    app = asked(fine(visit()), OTHER)
    (job,) = own_jobs()
    app = fine(app.button(key="cancel").click().run())
    assert job.state == "cancelled" and app.text_area(key="prompt").value == OTHER
    assert "Cancelled: nothing was stored. Below is the earlier run." in texts(app) and "“sky”" in texts(app)
    app.text_area(key="prompt").set_value("Answer in one word: What color is the sky?")
    app = fine(app.run())
    assert "Cancelled: nothing was stored." in texts(app) and "Below is the earlier run" not in texts(app)
    app = fine(next(b for b in app.button if b.label == "Six words: love").click().run())
    assert "Cancelled" not in texts(app), "another run is shown"


def test_an_edit_after_a_run_is_said_until_it_is_taken_back(visit):
    app = fine(visit())
    assert "Changed since" not in texts(app)
    app.text_area(key="prompt").set_value(OTHER)
    app = fine(app.run())
    assert "Changed since the run below: prompt. Press Run" in texts(app)
    app.number_input(key="new_tokens").set_value(33)
    assert "Changed since the run below: prompt and settings." in texts(fine(app.run()))
    app.text_area(key="prompt").set_value("")
    assert "Changed since the run below: prompt" in texts(fine(app.run()))
    app.text_area(key="prompt").set_value("Answer in one word: What color is the sky?")
    app.number_input(key="new_tokens").set_value(64)
    assert "Changed since" not in texts(fine(app.run()))


@pytest.mark.parametrize("kind", ["run", "marked", "given", "unproven", "attentionless", "reduced", "short"])
def test_a_run_that_is_opened_is_what_stands_in_the_box(visit, keep, kind):
    app = fine(visit(run=keep(getattr(made_up, kind)())))
    assert "Changed since" not in texts(app)


def test_a_reload_finds_the_run_and_may_cancel_it(visit, busy):
    app = asked(fine(visit()), OTHER)
    (job,) = own_jobs()
    address = dict(app.query_params)
    assert len(address["job"]) == 32 and OTHER not in str(address)
    again = fine(visit(**address))
    assert again.text_area(key="prompt").value == OTHER and "in the queue before this one" in texts(again)
    assert again.button(key="run_button").disabled and "“sky”" not in texts(again)
    stranger = fine(visit())
    assert "in the queue" not in texts(stranger) and not [b for b in stranger.button if b.key == "cancel"]
    again = fine(again.button(key="cancel").click().run())
    assert job.state == "cancelled", "the session that was left behind does not hold it"
    assert "job" not in again.query_params and "Cancelled: nothing was stored." in texts(again)


def test_a_reload_finds_the_job_of_a_part(visit, keep, busy):
    trace = made_up.run()
    app = fine(fine(visit(run=keep(trace))).button(key="method_check_button").click().run())
    (job,) = own_jobs()
    again = fine(visit(run=trace.id, job=app.query_params["job"]))
    assert "method_check_button" not in [b.key for b in again.button]
    cancel = next(b for b in again.button if (b.key or "").startswith("cancel_method_check"))
    again = fine(cancel.click().run())
    assert job.state == "cancelled" and again.button(key="method_check_button") and "Cancelled." in texts(again)
    assert "Cancelled: nothing was stored" not in texts(again), "Explore's own run is another slot"


def test_a_second_session_is_told_its_place_and_the_time(visit, busy, needs_model):
    first = asked(fine(visit()), OTHER)
    assert "1 in the queue before this one" in texts(first)
    jobs().all()[0].seconds = 600.0
    second = asked(fine(visit()), "Name a colour of the grass.")
    assert len(own_jobs()) == 2 and all(job.seconds for job in own_jobs())
    line = next(text for text in texts(second).splitlines() if "in the queue" in text)
    assert "2 in the queue before this one: about 1" in line and "min until it begins" in line
    fine(first.button(key="cancel").click().run())
    line = next(text for text in texts(fine(second.run())).splitlines() if "in the queue" in text)
    assert "1 in the queue before this one: about 10 min until it begins" in line, "it moves up as it polls"


def test_an_error_stands_in_its_place_until_the_next_start(visit, keep, monkeypatch):
    def fail(progress, cancelled):
        raise HeedError("The disk is full: free some space.")

    monkeypatch.setattr("pages.parts.method_check.probe_work", lambda *a: fail)
    app = fine(visit(run=keep(made_up.run())))
    app = app.button(key="method_check_button").click().run()
    for job in own_jobs():
        assert job.wait(30)
    app.run()
    assert [e.value for e in app.error] == ["The disk is full: free some space."]
    assert [e.value for e in app.run().error] == ["The disk is full: free some space."]


def test_a_restart_offers_what_waited_again(visit, busy, home, monkeypatch):
    app = asked(fine(visit()), OTHER)
    address = dict(app.query_params)
    assert len(list((home / "waiting").iterdir())) == 1
    (job,) = own_jobs()
    restarted, free = Jobs(), threading.Event()
    restarted.submit("something else", lambda progress, cancelled: free.wait(30))
    monkeypatch.setattr("core.jobs._JOBS", restarted)
    again = fine(visit(**address))
    assert again.text_area(key="prompt").value == OTHER and "press Run again" in texts(again)
    again = fine(again.run())
    assert again.text_area(key="prompt").value == OTHER and "press Run again" in texts(again)
    job.cancel()
    again = fine(again.button(key="run_button").click().run())
    assert len(own_jobs()) == 1 and "press Run again" not in texts(again)
    assert again.query_params["job"] != address["job"] and len(list((home / "waiting").iterdir())) == 1
    fine(again.button(key="cancel").click().run())
    free.set()
    assert not list((home / "waiting").iterdir())


def test_a_page_that_comes_back_late_is_told_that_its_place_was_freed(visit, busy, home):
    app = asked(fine(visit()), OTHER)
    (job,) = own_jobs()
    address = dict(app.query_params)
    job.leave_sessions(job.sessions)
    assert job.forsaken and len(list((home / "waiting").iterdir())) == 1
    assert "press Run again" in texts(fine(visit(**address)))
    assert "its place in the queue was freed: start it again" in app.run().error[0].value


def test_a_page_polls_seldom_while_many_are_before_it(visit, busy, monkeypatch):
    every, real = [], st.fragment

    def recorded(draw=None, **settings):
        if draw is job_progress._draw_job:
            every.append(settings["run_every"])
        return real(draw, **settings)

    names = [f"another {i}" for i in range(3)]
    before = [jobs().submit(f"before {name}", lambda p, c: None, who=name, session=name) for name in names]
    monkeypatch.setattr(st, "fragment", recorded)
    app = asked(fine(visit()), OTHER)
    assert every[-1] == job_progress.WAITING_POLL and "4 in the queue before this one" in texts(app)
    for job in before:
        job.cancel()
    fine(app.run())
    assert every[-1] == job_progress.RUN_POLL


def test_a_seldom_polled_page_is_drawn_anew_when_its_turn_comes_near(busy, monkeypatch):
    """The seconds between two polls are those of the whole page, so it alone can change them."""
    drawn = []
    monkeypatch.setattr(st, "rerun", lambda: drawn.append("anew"))
    near = jobs().submit("near", lambda p, c: None)
    monkeypatch.setattr(job_progress, "current_job", lambda slot: near)
    job_progress._draw_job("job", True)
    assert drawn == ["anew"] and near.position < job_progress.NEAR
