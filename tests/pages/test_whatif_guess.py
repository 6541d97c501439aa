"""Tests of Guess first: no view shows results before three words are picked; then the overlap is right."""

import base64
import re

import numpy as np
import pytest

from core import store
from core.importance import answer_mean, explain
from core.records import Probe
from pages.parts.whatif import guess_first as module
from tests.pages import made_up
from tests.pages.conftest import fine, texts

TOLD = re.compile(r"× uniform|While writing|attention \(|nats|%|score")


def guessing(app):
    return fine(app.toggle(key="guess_first").set_value(True).run())


def guess(app, *labels):
    box = next(m for m in app.multiselect if m.label == "Your guess")
    options = {o.split(" · ", 1)[1]: o for o in box.options}
    for label in labels:
        box.select(options[label])
    return fine(app.run())


@pytest.fixture
def trace(keep):
    made = made_up.run()
    keep(made)
    return made


@pytest.mark.parametrize("view", ["heatmap", "over", "heads", "table", "whatif"])
def test_nothing_is_shown_before_three_words_are_picked(visit, trace, view):
    app = visit("explore", run=trace.id)
    app = fine(app.segmented_control(key="chart").set_value(view).run())
    for picked in ([], ["sky"], ["color"]):
        app = guess(app, *picked) if picked else guessing(app)
        main = texts(app).replace(app.sidebar.caption[0].value, "")
        assert not TOLD.search(main), TOLD.search(main)
        assert not app.get("arrow_vega_lite_chart") and not app.dataframe and not app.get("download_button")
        assert not [s for s in app.segmented_control if s.key == "chart"]


def test_the_texts_carry_no_number(visit, trace, monkeypatch):
    given = []
    monkeypatch.setattr(module, "text_reader", lambda data, **more: given.append(data))
    guessing(visit("explore", run=trace.id))
    assert given and given[-1]["unit"] == "none" and given[-1]["beside"] == {} and "tint" not in given[-1]
    assert not np.frombuffer(base64.b64decode(given[-1]["values"]), "<f4").any()


def expected(trace):
    """(three words read most, three that cost most), computed by hand."""
    found = explain(trace, sink="drop", granularity="word")
    own = [c for c, label in enumerate(found.columns.labels) if found.columns.message[c] == 0 and label[0].isalpha()]
    values = answer_mean(found, trace.answer_steps)[0]
    return found.columns, sorted(own, key=lambda c: -values[c])[:3], own


def test_three_words_reveal_everything_and_are_told_apart(visit, trace):
    app = guessing(visit("explore", run=trace.id))
    columns, best, own = expected(trace)
    worst = [c for c in own if c not in best][0]
    app = guess(app, *(columns.labels[c] for c in (*best[:2], worst)))
    shown = texts(app)
    assert "2 of your 3 are among the 3 words read most" in shown
    assert f"You did not pick “{columns.labels[best[2]]}”" in shown
    assert "While writing the whole answer" in shown and app.segmented_control(key="chart").value == "heatmap"
    assert app.button(key="guess_each").label == "Knock out each word"


def test_knock_out_is_told_where_it_was_run(visit, trace):
    columns, _, own = expected(trace)
    effect = np.zeros((len(columns), trace.steps), np.float32)
    effect[own[:3]] = [[0.3], [0.2], [0.1]]
    masks = np.eye(len(columns), dtype=bool)
    probe = Probe(trace.id, columns, masks, trace.logprobs - effect, trace.logprobs, "mask", parameters={"each": True})
    store.save_probe(probe)
    app = guess(guessing(visit("explore", run=trace.id)), *(columns.labels[c] for c in own[:3]))
    assert "3 of your 3 are among the 3 words whose loss costs the answer most" in texts(app)
    assert not [b for b in app.button if b.key == "guess_each"]


def test_the_next_run_is_hidden_again_and_so_is_this_one_after_guess_again(visit, keep, trace):
    app = guess(guessing(visit("explore", run=trace.id)), "sky", "color", "one")
    app = fine(app.button(key="guess_again").click().run())
    assert not TOLD.search(texts(app))
    app = guess(app, "sky", "color", "one")
    app.query_params["run"] = keep(made_up.run("What else is there to see?"))
    assert not TOLD.search(texts(fine(app.run())))


@pytest.mark.parametrize("make", [made_up.unproven, made_up.attentionless, made_up.short, made_up.given])
def test_odd_runs_can_be_guessed(visit, keep, make):
    app = guessing(visit("explore", run=keep(make())))
    box = next(m for m in app.multiselect if m.label == "Your guess")
    for option in box.options[:3]:
        box.select(option)
    assert "Your guess:" in texts(fine(app.run()))


def test_presenting_hides_too(visit, trace):
    app = guessing(visit("explore", run=trace.id))
    app.query_params["present"] = "1"
    app = fine(app.run())
    assert "Guess first" in texts(app) and not TOLD.search(texts(app))
