"""Tests of the view Passages: its shares are sums over the parts' tokens, and a click picks the part above."""

import csv
import io

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.records import Segment
from pages.parts.views.parts_view import part_kinds
from tests.core import traces_made_up
from tests.pages import made_up
from tests.pages.conftest import fine

TURNS = [("system", "Be kind."), ("user", "What is it?"), ("assistant", "Blue. All of it."), ("user", "And at night?")]


def conversation():
    return traces_made_up.trace(TURNS, "Black it is. With stars.", system="keep")


def passages():
    text = "Gold is dear. Tin is cheap. Which is dear?"
    marks = (Segment("context", 0, 0, 13), Segment("context", 0, 14, 27), Segment("question", 0, 28, 42))
    return traces_made_up.trace(text, "Gold is. It is gold.", segments=marks)


def opened(visit, keep, trace, **state):
    app = visit(run=keep(trace))
    app.session_state["chart"] = "parts"
    for name, value in state.items():
        app.session_state[name] = value
    return fine(app.run())


def mean_attention(trace):
    """float64 [key]: mean over heads, layers and the answer's steps of the attention outside the first token."""
    weights = trace.rows.weights().astype(np.float64).mean(0)
    answer = [i - trace.prompt_length for i, part in enumerate(trace.tokens.parts) if part == "answer"]
    return (weights[:, 1:] / (1 - weights[:, :1]))[answer].mean(0)


def test_turns_are_the_sums_over_their_messages(visit, keep):
    trace = conversation()
    app = opened(visit, keep, trace, method="mean-attention")
    assert app.segmented_control(key="parts_by").options == ["Turns", "Sentences"]
    table = app.dataframe[0].value
    mean = mean_attention(trace)
    own = np.array([trace.tokens.message[i] if i else -1 for i in range(trace.prompt_length)])
    expected = {
        name: 100 * mean[np.flatnonzero(own == m) - 1].sum()
        for m, name in enumerate(("system", "user 1", "assistant", "user 2"))
    }
    found = dict(zip(table["Part"], table["Share of attention"], strict=True))
    assert found == pytest.approx(expected, rel=1e-4)
    assert table["Share of attention"].is_monotonic_decreasing
    assert dict(zip(table["Part"], table["Begins with"], strict=True))["assistant"] == "Blue. All of it."


def test_passages_come_first_and_are_told_apart(visit, keep):
    trace = passages()
    app = opened(visit, keep, trace)
    assert app.segmented_control(key="parts_by").value == "segment"
    table = app.dataframe[0].value
    assert {"context 1", "context 2", "question"} <= set(table["Part"])
    begins = dict(zip(table["Part"], table["Begins with"], strict=True))
    assert begins["context 2"] == "Tin is cheap."


def test_the_file_holds_the_answer_and_each_of_its_sentences():
    trace, written = passages(), {}

    def script():
        import streamlit as st

        from pages.parts.reading_controls import current_choices
        from pages.parts.run_cache import importance
        from pages.parts.text_selection import picked_words
        from pages.parts.views.parts_view import parts_view

        trace = st.session_state.trace
        chosen = current_choices(trace)
        words = importance(trace, chosen.method, **chosen.picked)
        figure = parts_view(trace, words, chosen, picked_words(trace, words, "reader"))
        st.session_state.csv = figure.csv()

    app = AppTest.from_function(script)
    app.session_state["trace"] = trace
    app = fine(app.run())
    lines = [line for line in app.session_state["csv"].splitlines() if not line.startswith("#")]
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        written.setdefault(row["answer"], {})[row["input"]] = float(row["share"])
    assert list(written) == ["the whole answer", "Gold is.", "It is gold."]
    steps = np.array([3, 4])  # "Gold is ." and "It is gold ."
    for part, share in written["the whole answer"].items():
        means = [written[name][part] for name in list(written)[1:]]
        assert share == pytest.approx(steps @ means / 7, rel=1e-4)


def test_a_run_without_parts_has_its_sentences_and_one_without_positions_says_so(visit, keep):
    assert part_kinds(made_up.run()) == ["sentence"]
    assert part_kinds(made_up.unproven()) == []
    app = opened(visit, keep, made_up.unproven())
    assert any("not proven" in info.value for info in app.info)


def test_a_picked_part_is_its_words_in_the_texts():
    def script():
        import streamlit as st

        from core.importance import explain_by
        from core.text.units import units
        from pages.parts.text_selection import pick_inputs

        trace = st.session_state.trace
        parts = units(trace.tokens, "segment", range(trace.prompt_length), trace.request.segments)
        pick_inputs(explain_by(trace), "reader", parts.tokens_of(parts.labels.index("context 2")))

    app = AppTest.from_function(script)
    app.session_state["trace"] = passages()
    app = fine(app.run())
    assert app.session_state["reader:selection"] == {"side": "input", "start": 4, "end": 8}  # Tin is cheap .
