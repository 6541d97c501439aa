"""Tests the check of methods on one run: what it offers, what it says of known numbers, and that it only starts once."""

import numpy as np
import pytest

from core import store
from core.importance import METHODS, explain
from core.jobs import jobs
from core.records import Probe
from core.trust import MASKS, check_masks
from core.trust.faithfulness import unit_values
from tests.pages import made_up
from tests.pages.conftest import fine, texts


def checked(trace, level, truth):
    """Stores a probe in which every unit that is left adds its ``truth`` [unit] to the answer's log-probability."""
    read = explain(trace, sink="separate", granularity=level)
    masks = check_masks(trace.tokens, read.columns)
    logprobs = np.zeros((MASKS, trace.steps), np.float32)
    logprobs[:, trace.answer_steps[0]] = ~masks @ truth(read)
    base = np.zeros(trace.steps, np.float32)
    store.save_probe(Probe(trace.id, read.columns, masks, logprobs, base, "mask", parameters={"units": level}))


def scores(app):
    table = next(d.value for d in app.dataframe if "Predicts by" in d.value.columns)
    return dict(zip(table["Predicts by"], table["Rank correlation"], strict=True))


@pytest.mark.parametrize("method", ["mean-attention", "value-weighted", "excess"])
def test_the_method_that_made_the_answer_scores_one(visit, keep, method):
    trace = made_up.run()
    app = fine(visit(run=keep(trace)))
    assert not [d for d in app.dataframe if "Predicts by" in d.value.columns] and app.button(key="method_check_button")
    own = explain(trace, method, sink="separate", granularity="word")
    checked(trace, "word", lambda read: unit_values(own))
    app = fine(visit(run=trace.id))
    found = scores(app)
    assert set(found) >= {m.label for m in METHODS.values() if not m.picks and m.from_run} and len(found) >= 9
    assert found[METHODS[method].label] == pytest.approx(1) and abs(found["Random numbers"]) < 0.9
    app = fine(app.selectbox(key="method").set_value(method).run())
    assert f"“{METHODS[method].label}” agrees with what the answer needs by 1.00 (1.00 to 1.00)" in texts(app)
    assert "better than that" in texts(app)


def test_what_predicts_less_than_the_place_of_a_word_is_told(visit, keep):
    trace = made_up.run()
    keep(trace)
    checked(trace, "word", lambda read: np.arange(len(read.columns)))
    app = fine(visit(run=trace.id))
    assert scores(app)["How late each stands"] == pytest.approx(1)
    assert "worse than that" in texts(app)


def test_many_sentences_are_hidden_in_place_of_words_and_the_job_starts(visit, keep, busy):
    trace = made_up.run(
        "One is red. Two is blue. Three is green. Four is pink. Five is grey. Six is white. Which is blue?"
    )
    app = fine(visit(run=keep(trace)))
    button = app.button(key="method_check_button")
    assert button.label == "Hide halves of the sentences" and "Kept with the run" in button.help
    fine(button.click().run())
    assert jobs().all()[-1].key == f"method_check {trace.id} sentence"


def test_too_few_words_are_told(visit, keep):
    app = fine(visit(run=keep(made_up.run("Say it", "Yes"))))
    assert "2 parts that can be hidden, and at least 4 are needed: take a longer" in texts(app) and not app.warning
