"""Tests of minimal pairs on a page of their own, with a tiny model: preview, cross-scores, next words."""

import io

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import store
from core.jobs import jobs
from core.jobs.run_jobs import run_work
from core.runs import Draft, draft_request, reading_draft
from tests.core import models_made_up
from tests.pages.conftest import fine, texts

TEXT = "The {man|woman} worked as a"


def page(model, text, runs=(), raw=True):
    """A page with the switch, its preview and both views of the columns."""
    import streamlit as st

    from core import store
    from core.comparing.minimal_pairs import pair_name
    from core.jobs.run_jobs import Draft
    from pages.parts.compare.answer_views import cross_view, next_words_view
    from pages.parts.compare.question_box import pairs_switch

    found = pairs_switch(text)
    st.session_state.pairs = found
    if runs:
        drafts = [
            Draft(
                model, p.text if raw else [{"role": "user", "content": p.text}], raw=raw, settings={"max_new_tokens": 4}
            )
            for p in found
        ]
        names = [f"{letter} · {pair_name(p)}" for letter, p in zip("ABCD", found, strict=False)]
        st.session_state.cross = cross_view(drafts, [store.load_run(r) for r in runs], names)
        st.session_state.next = next_words_view(drafts, names)


def open_page(*args, **more):
    return AppTest.from_function(page, args=args, kwargs=more, default_timeout=60).run()


def switch(app, on=True):
    return fine(app.toggle(key="pairs_on").set_value(on).run())


def button(app, label):
    return next(b for b in app.button if b.label == label)


def finish(app):
    for job in jobs().all():
        assert job.wait(60)
        assert job.state == "done", job.error
    return fine(app.run())


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = models_made_up.tiny_llama(max_position_embeddings=512, initializer_range=0.4)
    return str(models_made_up.save_model(tmp_path_factory.mktemp("pairs") / "model", made))


def drafts(folder, raw=True):
    prompts = ["The man worked as a", "The woman worked as a"]
    return [
        Draft(folder, p if raw else [{"role": "user", "content": p}], raw=raw, settings={"max_new_tokens": 4})
        for p in prompts
    ]


def made(draft):
    return store.load_run(run_work(draft)(lambda *a, **k: None, lambda: False))


def test_the_switch_expands_the_prompt():
    app = fine(open_page("m", TEXT))
    assert app.session_state["pairs"] == ()
    app = switch(app)
    assert [p.text for p in app.session_state["pairs"]] == ["The man worked as a", "The woman worked as a"]
    assert switch(app, False).session_state["pairs"] == ()


def test_what_cannot_expand_is_told_and_nothing_expands():
    assert not open_page("m", "no braces").toggle, "nothing to switch on"
    for text, says in (
        ("{a|b|c|d|e}", "at most 4"),
        ("The {man|woman worked", "never closed"),
    ):
        app = switch(open_page("m", text))
        assert app.session_state["pairs"] == () and says in texts(app)


def test_groups_go_together_on_request():
    app = switch(open_page("m", "{a|b} {c|d}"))
    assert len(app.session_state["pairs"]) == 4
    app = fine(app.toggle(key="pairs_together").set_value(True).run())
    assert [p.text for p in app.session_state["pairs"]] == ["a c", "b d"]


@pytest.mark.parametrize("raw", [True, False])
def test_each_answer_is_scored_under_each_prompt(folder, raw):
    asked = drafts(folder, raw)
    runs = [made(d) for d in asked]
    app = switch(open_page(folder, TEXT, [r.id for r in runs], raw=raw))
    assert "4 of 4 scores are missing" in texts(app)
    app = finish(button(app, "Score each answer under each prompt").click().run())
    assert "The answer of A · man is" in texts(app)
    by_hand = np.array([
        [store.load_run(draft_request(reading_draft(d, r))).logprobs[store.load_run(draft_request(reading_draft(d, r))).answer_steps].sum(dtype=float) for d in asked]
        for r in runs
    ])  # fmt: skip
    table = next(f.value for f in app.dataframe if "Under the prompt of" in f.value.columns)
    assert np.allclose(table["Whole answer (nats)"], by_hand.ravel(), atol=6e-4)
    odds = (by_hand - np.diag(by_hand)[:, None]).ravel()
    assert np.allclose(table["Log-odds (nats)"], odds, atol=6e-4)
    csv = pd.read_csv(io.StringIO(app.session_state["cross"].csv()), comment="#")
    assert np.allclose(csv["log_odds"], odds, atol=1e-5)
    own = [r.logprobs[r.answer_steps].sum(dtype=float) for r in runs]
    assert np.allclose(np.diag(by_hand), own, atol=1e-3), "scored as it was written"


def test_next_words_stand_side_by_side(folder):
    asked = drafts(folder)
    runs = [made(d) for d in asked]
    app = switch(open_page(folder, TEXT, [r.id for r in runs]))
    app = finish(button(app, "Compare the next words").click().run())
    assert "The log-odds of “" in texts(app) and "behind B · woman" in texts(app)
    csv = pd.read_csv(io.StringIO(app.session_state["next"].csv()), comment="#")
    mine = csv[csv["prompt"] == "A · man"]
    best = dict(zip(mine["token"], mine["log_probability"]))
    first = runs[0]
    token = int(first.token_ids[first.prompt_length])
    assert best[token] == pytest.approx(float(first.logprobs[0]), abs=1e-4), "greedy: the first token is the likeliest"
    assert max(best.values()) == best[token]
    count = len(jobs().all())
    again = switch(open_page(folder, TEXT, [r.id for r in runs]))
    assert "The log-odds of “" in texts(again) and len(jobs().all()) == count


def test_columns_without_answers_are_told(folder):
    asked = drafts(folder)
    runs = [made(asked[0]), made(Draft(folder, asked[1].prompt, " ", raw=True, settings={}))]
    app = switch(open_page(folder, TEXT, [r.id for r in runs]))
    assert "no answer to score" in texts(app)
