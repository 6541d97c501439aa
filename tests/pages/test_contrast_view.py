"""Tests of the view This word or that: its choices, the job that it starts, and what it says of a stored result."""

from dataclasses import replace

import numpy as np

from core import store
from core.charts.contrast_bars import contrast_sentence
from core.jobs import jobs
from core.records import Attribution
from tests.pages import made_up
from tests.pages.conftest import fine, texts


def contested():
    """A run in which at every step two other words were possible, and at step 4 one nearly came."""
    trace = made_up.run()
    steps = trace.steps
    written = trace.tokens.ids[trace.prompt_length :]
    ids = np.stack([written, np.full(steps, 900), np.full(steps, 901)], axis=1)
    logprobs = np.log(np.tile([0.6, 0.1, 0.05], (steps, 1)))
    logprobs[3] = np.log([0.4, 0.3, 0.1])
    return replace(
        trace,
        logprobs=logprobs[:, 0],
        alternative_ids=ids,
        alternative_logprobs=logprobs,
        alternative_texts=tuple(("w", " if", "<i>") for _ in range(steps)),
    )


def opened(visit, run):
    app = fine(visit(run=run))
    return fine(app.segmented_control(key="chart").set_value("contrast").run())


def test_it_begins_at_the_closest_call_and_starts_one_job(visit, keep, busy):
    trace = contested()
    app = opened(visit, keep(trace))
    assert app.selectbox(key="contrast_step").value == 3, "another word nearly came there"
    other = app.selectbox(key=f"contrast_other_{trace.id[:8]}_3")
    assert [o.split(" (")[1] for o in other.options] == ["30.0 %)", "10.00 %)"]
    fine(app.button(key="contrast_compute").click().run())
    job = jobs().all()[-1]
    assert job.key.startswith("contrast") and job.key.endswith("attention-x-gradient 3 900")
    assert not [b for b in app.button if b.key == "contrast_compute"], "it runs"


def test_a_stored_contrast_is_drawn_and_told(visit, keep):
    trace = contested()
    keep(trace)
    keys = len(trace.tokens) - 1
    own = np.flatnonzero(trace.tokens.own[: trace.prompt_length])
    values = np.zeros((1, keys), np.float32)
    values[0, own[1]], values[0, own[3]] = 2.0, -1.5
    for step, size in ((3, 1.0), (5, 2.0)):
        made = Attribution(
            trace.id, "attention-x-gradient", [(step, step + 1)], values * size, parameters={"against": 900}
        )
        store.save_attribution(made)
    app = opened(visit, trace.id)
    said = texts(app)
    assert "1.3 times as likely as “if”" in said and "(+2.00)" in said and "(−1.50)" in said
    assert (
        "In nats of log-odds, which are +0.29: the bars add up to +0.50" in said and "earlier output to +0.00" in said
    )
    app = fine(app.selectbox(key="contrast_step").set_value(5).run())
    assert "6.0 times as likely as “if”" in texts(app) and "(+4.00)" in texts(app)
    assert store.load_attribution(trace.id, "attention-x-gradient") is None, "the whole answer is another one"


def test_a_clicked_word_is_taken_and_the_choice_outlives_other_views(visit, keep):
    app = opened(visit, keep(contested()))
    app.session_state["reader:selection"] = {"side": "answer", "start": 1, "end": 2, "n": 1}
    app.session_state["reader:version"] = app.session_state["reader:version"]
    app = fine(app.run())
    clicked = app.selectbox(key="contrast_step").value
    assert clicked == 1
    app = fine(app.selectbox(key="contrast_step").set_value(6).run())
    app = fine(app.segmented_control(key="chart").set_value("table").run())
    app = fine(app.segmented_control(key="chart").set_value("contrast").run())
    assert app.selectbox(key="contrast_step").value == 6


def test_words_that_are_as_likely_are_said_to_be():
    said = contrast_sentence(["sky"], np.array([1.0]), "blue", "red", 0.01)
    assert said.startswith("“blue” was about as likely as “red”.")
    other = contrast_sentence(["sky"], np.array([1.0]), "blue", "red", -1.0)
    assert other.startswith("“red” was 2.7 times as likely as “blue”.")


def test_a_run_without_other_words_says_so(visit, keep):
    trace = made_up.run()
    bare = replace(
        trace,
        alternative_ids=trace.tokens.ids[trace.prompt_length :][:, None],
        alternative_logprobs=trace.logprobs[:, None],
        alternative_texts=tuple(("w",) for _ in range(trace.steps)),
    )
    assert "keeps no other words" in texts(opened(visit, keep(bare)))
