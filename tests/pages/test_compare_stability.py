"""Tests of the view Stability on a page of its own, with a tiny model and real jobs, against the numbers of core."""

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import store
from core.comparing.perturbations import propose_edits
from core.comparing.run_stability import measure_stability
from core.importance import explain
from core.jobs import jobs
from core.jobs.run_jobs import run_work
from core.runs import Draft, draft_request, draft_with_prompt, reading_draft
from pages.parts.compare.stability_view import (
    FEWEST_EDITS,
    SEEDS,
    wanted_edits,
)
from tests.core import models_made_up
from tests.pages.conftest import fine, texts

PROMPT = "Answer in one word: What color is the big sky?"


def page(model, run, level="word"):
    """A page with one column's stability; the figure for the downloads is kept for the test."""
    import streamlit as st

    from core import store
    from core.jobs.run_jobs import Draft
    from pages.parts.compare.stability_view import stability_view

    trace = store.load_run(run)
    prompt = [{"role": m.role, "content": m.content} for m in trace.request.messages] or trace.request.text
    draft = Draft(model, prompt, raw=trace.request.text is not None, settings={"max_new_tokens": 5, "temperature": 0.0})
    st.session_state.figure = stability_view(draft, trace, level=level)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = models_made_up.tiny_llama(max_position_embeddings=512, initializer_range=0.4)
    return str(models_made_up.save_model(tmp_path_factory.mktemp("stable") / "model", made))


def stored(draft):
    """Runs ``draft`` and returns its trace."""
    return store.load_run(run_work(draft)(lambda *a, **k: None, lambda: False))


@pytest.fixture
def opened(folder):
    """(trace, page) of a column with a generated answer."""
    trace = stored(Draft(folder, [{"role": "user", "content": PROMPT}], settings={"max_new_tokens": 5}))
    return trace, fine(AppTest.from_function(page, args=(folder, trace.id), default_timeout=60).run())


def button(app, label):
    return next(b for b in app.button if b.label == label)


def count(app, n):
    return fine(app.number_input(key="stability_count").set_value(n).run())


def finish(app):
    for job in jobs().all():
        assert job.wait(60)
        assert job.state == "done", job.error
    return fine(app.run())


def test_edits_are_run_by_one_job_and_drawn_as_core_says(opened, folder):
    trace, app = opened
    app = count(app, 4)
    assert "5 of 5 runs are missing" in texts(app) and not app.get("vega_lite_chart")
    app = finish(button(app, "Run the edits").click().run())
    assert app.get("vega_lite_chart")
    base = reading_draft(Draft(folder, [{"role": "user", "content": PROMPT}], settings={}), trace)
    runs = [
        store.load_run(draft_request(d))
        for d in [base, *(draft_with_prompt(base, e.text) for e in propose_edits(PROMPT, 4))]
    ]
    assert all(r is not None and r.answer == trace.answer for r in runs)
    by_hand = measure_stability(runs, [explain(r, sink="separate", granularity="word") for r in runs])
    said = next(t.value for t in app.text if t.value.startswith("Over 4 edits of the prompt, “"))
    word = re.search("“(.*?)”", said)[1]
    unit = by_hand.units.index(word)
    ends = [f"{100 * f(by_hand.answer[:, unit]):.1f} %" for f in (np.nanmin, np.nanmax)]
    assert f"between {ends[0]} and {ends[1]}" in said or f"kept {ends[0]}" in said
    assert f"Spearman correlation of {by_hand.between[0].mean:.2f} (lowest {by_hand.between[0].lowest:.2f})" in said
    csv = app.session_state["figure"].csv()
    assert (
        csv.count("\n")
        == len(by_hand.rows) * len(by_hand.units) + len([line for line in csv.splitlines() if line[0] == "#"]) + 1
    )
    assert "at least 10 runs" in texts(app)


def test_what_is_stored_is_drawn_at_once_and_only_the_rest_is_run(opened, folder):
    app = finish(button(count(opened[1], 3), "Run the edits").click().run())
    before = len(jobs().all())
    app = count(app, 4)
    assert "of 5 runs are missing" in texts(app) and "5 of 5" not in texts(app)
    finish(button(app, "Run the edits").click().run())
    again = fine(AppTest.from_function(page, args=(folder, opened[0].id), default_timeout=60).run())
    count(again, 4)
    assert again.get("vega_lite_chart") and len(jobs().all()) == before + 1


def test_each_word_has_an_interval_from_ten_runs_on(opened):
    app = finish(button(count(opened[1], 9), "Run the edits").click().run())
    app = fine(app.segmented_control(key="stability_shown").set_value("Each word").run())
    assert "bootstrap" in str(app.get("vega_lite_chart")[0].proto.spec)
    assert "at least 10 runs" not in texts(app)
    assert "run_" in app.session_state["figure"].csv()


def test_seeds_have_answers_of_their_own_and_no_cells(opened):
    app = fine(opened[1].segmented_control(key="stability_kind").set_value(SEEDS).run())
    app = finish(button(count(app, FEWEST_EDITS), "Run the seeds").click().run())
    shown = texts(app)
    assert "Over 3 sampling seeds, “" in shown and "The answers differ" in shown
    assert "Every cell" not in [o for s in app.segmented_control for o in s.options]
    assert any("Answer" in frame.value.columns and len(frame.value) == 3 for frame in app.dataframe)
    (between,) = [frame.value for frame in app.dataframe if "Between runs" in frame.value.columns]
    assert list(between["Between runs"]) == ["Spearman (ranks)", "top 5 in common"]


def test_other_edits_are_proposed_on_request(opened):
    app = count(opened[1], 3)
    assert "3 proposed" in app.expander[0].label and "4 of 4 runs are missing" in texts(app)
    app = fine(button(app, "Propose others").click().run())
    assert "4 of 4 runs are missing" in texts(app)


def test_the_table_may_hold_anything():
    assert wanted_edits(["a", "", "  ", "b", "a", "prompt", 3], "prompt") == ["a", "b", "3"]
    assert len(wanted_edits(map(str, range(99)), "x")) == 30


def test_a_cancelled_job_leaves_the_page_as_it_was(opened):
    app = count(opened[1], 30)
    app = button(app, "Run the edits").click().run()
    if any(b.label == "Cancel" for b in app.button):
        app = button(app, "Cancel").click().run()
    fine(app.run())


def test_a_run_without_an_answer_is_told(folder):
    prompt = [{"role": "user", "content": "Say it"}]
    trace = stored(Draft(folder, prompt, answer=" ", settings={}))
    app = fine(AppTest.from_function(page, args=(folder, trace.id), default_timeout=60).run())
    assert "no answer to read again" in texts(app)


def test_a_model_that_is_gone_is_told_in_one_sentence(opened, tmp_path):
    app = AppTest.from_function(page, args=(str(tmp_path / "nowhere"), opened[0].id), default_timeout=60).run()
    assert not app.exception and len(app.warning) == 1 and "and 12 more" in app.warning[0].value
