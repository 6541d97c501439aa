"""Tests of Explore without a browser: the page for every kind of run, and messages for bad input."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from core import store
from core.charts.html_page import to_html
from core.charts.reading_texts import PickedWords, summary_sentence
from core.importance import METHODS, explain_by, offered_methods, own_units
from core.models.catalogue import CATALOGUE
from core.records import ModelKey, Rows
from core.store.folders import run_folder
from pages.parts import model_picker
from pages.parts.reading_controls import LEVEL_NAMES, SINKS
from tests.pages import made_up
from tests.pages.conftest import fine, texts

VIEWS = ("heatmap", "over", "heads", "table")


def sentence(app):
    return app.text[0].value


def test_first_visit_shows_the_example(visit):
    app = fine(visit())
    assert app.text_area(key="prompt").value == "Answer in one word: What color is the sky?"
    assert "the model read most “sky” with" in sentence(app) and "× uniform" in sentence(app)
    shown = texts(app)
    line = next(part for part in shown.splitlines() if part.startswith("Of all attention: your words **"))
    for part in ("Sink **", "Markup **", "System message **", "Earlier output **"):
        assert part in line
    parts = [float(number) for number in re.findall(r"\*\*([\d.]+) %\*\*", line)]
    assert sum(parts) == pytest.approx(100, abs=0.3), "the parts are disjoint"
    assert "it is not a cause" in shown and "b179c952" in shown
    assert app.segmented_control(key="chart").value == "heatmap"


@pytest.mark.parametrize("state", model_picker.STATE)
def test_every_label_of_a_model_is_understood(state, monkeypatch):
    monkeypatch.setattr(model_picker, "model_status", lambda name: state)
    labels = {model_picker.model_option(name): name for name in CATALOGUE}
    assert len(labels) == len(CATALOGUE)
    monkeypatch.undo()
    assert all(model_picker.model_of_option(label) == name for label, name in labels.items())
    assert model_picker.model_of_option(" org/name ") == "org/name"


def test_the_second_example_is_one_click_away(visit):
    app = visit()
    button = next(b for b in app.button if b.label == "Six words: love")
    app = fine(button.click().run())
    assert app.text_area(key="prompt").value == "Write a six-word story about love"
    assert "“love”" in sentence(app)


def test_example_after_the_same_run_again_fills_the_form(visit):
    app = visit()
    fine(app.button(key="run_button").click().run())
    app = fine(next(b for b in app.button if b.label == "Six words: love").click().run())
    assert app.text_area(key="prompt").value == "Write a six-word story about love"


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_an_empty_prompt_is_told_and_the_result_stays(visit, prompt):
    app = visit()
    app.text_area(key="prompt").set_value(prompt)
    app.button(key="run_button").click().run()
    assert not app.exception
    assert [e.value for e in app.error] == ["The prompt is empty: write something for the model to read."]
    assert "“sky”" in sentence(app)


def test_a_mark_that_is_never_closed_is_told(visit):
    app = visit()
    told = "[[context: has no ]] behind it"
    app = fine(app.text_area(key="prompt").set_value("[[context: the sky is green. What color is the sky?").run())
    assert any(told in c.value.replace("\\", "") for c in app.caption)
    app = fine(app.text_area(key="prompt").set_value("[[context: the sky is green.]] What color is the sky?").run())
    assert not any(told in c.value.replace("\\", "") for c in app.caption)


def test_an_empty_given_answer_is_told(visit):
    app = visit()
    app.segmented_control(key="mode").set_value("Given answer").run()
    app.button(key="run_button").click().run()
    assert not app.exception and "given answer is empty" in app.error[0].value


@pytest.mark.parametrize("name", ["no-such-model-anywhere", "/no/such/folder", "a/b/c/d", "<b>bold</b>", "x.gguf"])
def test_an_unknown_model_is_told_once_and_before_running(visit, keep, name):
    run = keep(replace(made_up.run(), request=replace(made_up.run().request, model=ModelKey(name, "00"))))
    app = visit(run=run)
    assert not app.exception and app.warning
    app.button(key="run_button").click().run()
    assert not app.exception and len(app.error) == 1
    assert "<b>" not in app.error[0].value.replace("\\<b\\>", "")


def test_picking_a_word_moves_the_sentence(visit):
    app = visit()
    box = app.selectbox(key="reader:box")
    assert box.options[0] == "The whole answer" and box.options[2] == "2 · sky"
    app = fine(box.select_index(2).run())
    assert sentence(app).startswith("While writing “sky”")
    app = fine(app.selectbox(key="reader:box").select_index(0).run())
    assert sentence(app).startswith("While writing the whole answer")


def test_a_click_in_the_input_says_where_it_was_read(visit, keep):
    app = visit(run=keep(made_up.run()))
    app.session_state["reader:selection"] = {"side": "input", "start": 9, "end": 10}
    app = fine(app.run())
    assert sentence(app).startswith("“sky” was read")


@pytest.mark.parametrize("method", offered_methods())
def test_every_method_granularity_and_sink_draws_everywhere(visit, keep, method):
    app = visit(run=keep(made_up.marked()))
    app.session_state["method"] = method
    levels = [level for level in LEVEL_NAMES if level not in ("turn", "paragraph")]  # this run has one of each
    for (level, sink), view in zip(product(levels, SINKS), [*VIEWS] * 4, strict=False):
        for name, value in {"level": level, "sink": sink, "chart": view}.items():
            app.session_state[name] = value
        fine(app.run())
        assert not app.warning, (method, level, sink, view, app.warning[0].value)
        said = sentence(app)
        assert ("score" in said) == (METHODS[method].gives == "score") or "no word stands out" in said


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "make", [made_up.short, made_up.unproven, made_up.given, made_up.attentionless, made_up.evicted]
)
def test_odd_runs_are_drawn_or_told(visit, keep, make, view):
    app = visit(run=keep(make()))
    app.session_state["chart"] = view
    app = fine(app.run())
    assert texts(app)


def test_runs_without_rows_say_so_and_offer_what_there_is(visit, keep):
    assert "has no attention" in texts(fine(visit(run=keep(made_up.attentionless()))))
    shown = fine(visit(run=keep(made_up.evicted())))
    assert "press Run to compute them again" in texts(shown) and "made room for newer runs" in texts(shown)
    never = made_up.evicted()
    never = replace(never, request=replace(never.request, keep="none"))
    told = texts(fine(visit(run=keep(never))))
    assert "asked to keep no attention rows" in told and "made room" not in told
    assert shown.get("vega_lite_chart") and made_up.evicted().answer in [t.value for t in shown.text]


def test_a_given_answer_is_as_read_by(visit, keep):
    app = fine(visit(run=keep(made_up.given())))
    assert "written by GPT-\\*9\\*, as read by SmolLM2 135M Instruct" in texts(app)
    assert sentence(app).startswith("While reading the whole answer") or "reading model" in sentence(app)


def test_a_given_answer_without_an_author_was_read_too_and_has_its_score(visit, keep):
    trace = made_up.given()
    trace = replace(trace, request=replace(trace.request, author=""))
    app = fine(visit(run=keep(trace)))
    shown, logprobs = texts(app), trace.logprobs[trace.answer_steps].astype(float)
    assert "While writing" not in shown and "written by" not in shown
    assert f"**{logprobs.sum():.2f}** nats over {len(logprobs)} tokens".replace("-", "−") in shown
    assert f"perplexity **{np.exp(-logprobs.mean()):,.2f}**" in shown
    assert "perplexity" not in texts(fine(visit(run=keep(made_up.run()))))


def test_opening_a_run_fills_the_form(visit, keep):
    app = fine(visit(run=keep(made_up.given())))
    state = app.session_state
    assert (state["mode"], state["system"], state["system_text"]) == ("Given answer", "replace", "Be kind.")
    assert state["prompt"] == "And at night?" and state["answer"] == "Black, mostly." and state["author"] == "GPT-*9*"
    assert state["turns"] == (("user", "What color is the sky?"), ("assistant", "Blue."))
    app = fine(visit(run=keep(made_up.marked())))
    assert app.text_area(key="prompt").value == "[[instruction: Be brief.]] [[question: What color is the sky?]]"


def test_opening_a_run_keeps_settings_that_only_python_or_compare_can_give(visit, keep):
    """Streamlit silently puts a number outside a widget's limits back to the lowest."""
    trace = made_up.run()
    settings = {"max_new_tokens": 5000, "temperature": 0.5, "seed": -5}
    app = fine(visit(run=keep(replace(trace, request=replace(trace.request, **settings)))))
    found = {name: app.number_input(key=name).value for name in ("new_tokens", "temperature", "seed")}
    assert found == {"new_tokens": 5000, "temperature": 0.5, "seed": -5}


def test_marks_on_a_stored_prompt_are_followed(visit):
    """Marks are not part of the id: the stored answer comes back, with its new segments."""
    app = visit()
    app.text_area(key="prompt").set_value("[[instruction: Answer in one word:]] [[question: What color is the sky?]]")
    app = fine(app.button(key="run_button").click().run())
    app.session_state["chart"] = "table"
    app.session_state["level"] = "segment"
    app = fine(app.run())
    assert set(app.dataframe[0].value["Input"]) >= {"instruction", "question"}


@pytest.mark.parametrize("link", ["deadbeef", "f" * 64, "../../etc", "<script>", "b4c", "%00", "b4cc1cc5 "])
def test_a_wrong_link_is_one_sentence(visit, link):
    app = visit(run=link)
    assert not app.exception and len(app.error) <= 1
    if link.strip() != "b4cc1cc5":
        assert "There is no stored run" in app.error[0].value
    assert app.button(key="run_button")


@pytest.mark.parametrize("page", ["", "explore"])
def test_a_short_id_opens_the_run(visit, keep, page):
    run = keep(made_up.marked())
    app = fine(visit(page, run=run[:8]))
    assert run[:8] in texts(app)


def test_a_damaged_run_is_told_and_stays_told(visit, keep):
    run = keep(made_up.run())
    for file in run_folder(run).rglob("*"):
        if file.is_file() and file.stat().st_size > 2000:
            file.write_bytes(file.read_bytes()[:-100])
    app = visit(run=run)
    assert not app.exception and "damaged" in app.error[0].value
    assert "damaged" in app.run().error[0].value
    assert store.full_run_id(run) is None


def test_stepping_picks_the_word_and_a_word_moves_the_step(visit, keep):
    app = visit(run=keep(made_up.run()))
    app.session_state["chart"] = "over"
    app = fine(app.run())
    app = fine(app.slider(key="step").set_value(3).run())
    assert "“is”" in sentence(app)
    app = fine(app.selectbox(key="reader:box").select_index(5).run())
    assert app.slider(key="step").value == 5 and "“beautiful”" in sentence(app)
    app.session_state["next_step"] = 6
    app = fine(app.run())
    assert app.slider(key="step").value == 6 and "“,”" in sentence(app)


def test_present_mode_hides_the_controls(visit, keep):
    app = fine(visit(run=keep(made_up.run()), present="1"))
    assert not app.text_area and not app.segmented_control and sentence(app)
    app = fine(app.button(key="leave").click().run())
    assert app.text_area(key="prompt").value and "present" not in app.query_params


def test_more_settings_say_what_is_set(visit):
    app = visit()
    app.session_state["system"] = "none"
    app.session_state["stop"] = "\n\n"
    app = fine(app.run())
    assert app.session_state["system"] == "none"


@pytest.mark.parametrize("text", [made_up.HOSTILE, made_up.HARD])
@pytest.mark.parametrize("view", VIEWS)
def test_hostile_text_stays_text(visit, keep, text, view):
    app = visit(run=keep(made_up.run(text, text)))
    app.session_state["chart"] = view
    app.session_state["reader:selection"] = {"side": "answer", "start": 1, "end": 4}
    app = fine(app.run())
    for element in (*app.markdown, *app.caption, *app.info, *app.warning, *app.error):
        assert "<script" not in element.value and ":material/star:" not in element.value
        assert "**bold**" not in element.value and "\u202e" not in element.value


def test_a_picked_sink_is_not_said_to_be_read_about_evenly():
    trace = made_up.run()
    words = explain_by(trace, sink="drop")
    own = int(own_units(trace.tokens, words.columns)[1])
    picked = PickedWords(np.arange(len(words.rows)), np.array([own]), "x")
    assert "is a sink" not in summary_sentence(trace, words, picked)
    tokens = tuple(int(t) for t in words.columns.tokens_of(own))
    sunk = replace(words, sinks=(0, *tokens))
    said = summary_sentence(trace, sunk, picked)
    assert said.endswith(
        "is a sink of this run, left out: nearly every step reads it, and next to nothing stands in it."
    )
    kept = replace(sunk, parameters={**words.parameters, "sink": "keep"})
    assert "is a sink" not in summary_sentence(trace, kept, picked)


def test_a_click_on_a_head_reads_it_everywhere_and_goes_back(visit, keep):
    app = visit(run=keep(made_up.run()))
    whole = sentence(app)
    app = fine(app.segmented_control(key="chart").set_value("heads").run())
    for name, value in {"method": "picked-heads", "layers": [1], "heads": [2], "method_before": "max-heads"}.items():
        app.session_state[name] = value
    app = fine(app.run())
    assert "in layer 1, head 2" in sentence(app)
    assert app.button(key="heads_back").label.startswith("Back to ")
    app.session_state["method_before"] = "mean-attention"
    app = fine(app.run())
    app = fine(app.button(key="heads_back").click().run())
    assert sentence(app) == whole


def test_a_run_without_single_heads_reads_those_of_a_layer_again(visit, keep):
    """What the job leaves is made here: the page shows the heads that are there, and offers the layers that are not."""
    whole, few = made_up.run("How much is kept?"), made_up.reduced()
    app = fine(visit(run=keep(few)))
    app = fine(app.segmented_control(key="chart").set_value("heads").run())
    assert "too long to keep every head" in texts(app)
    assert [b.label for b in app.button if b.label.startswith("Read the heads of layer ")]
    layers = whole.model.attention_layers
    assert app.selectbox(key="heads_layer").options == [str(n) for n in layers]
    kept = np.flatnonzero(whole.rows.layers == layers[0])
    both = [np.concatenate([a, b[kept]]) for a, b in zip(
        (few.rows.layers, few.rows.heads, few.rows.packed, few.rows.sums),
        (whole.rows.layers, whole.rows.heads, whole.rows.packed, whole.rows.sums), strict=True)]  # fmt: skip
    keep(replace(few, rows=Rows(few.rows.queries, *both)))
    app = fine(app.run())
    assert str(layers[0]) not in app.selectbox(key="heads_layer").options
    for name, value in {"method": "picked-heads", "layers": [layers[-1]], "heads": [0]}.items():
        app.session_state[name] = value
    app = fine(app.segmented_control(key="chart").set_value("heatmap").run())
    picked = app.multiselect(key="layers")
    assert picked.options == [str(layers[0])] and picked.value == [], "only a layer that keeps its heads has heads"


def test_every_run_says_how_likely_its_tokens_were(visit, keep):
    app = fine(visit(run=keep(made_up.run())))
    assert "perplexity" not in texts(app)
    app = fine(app.segmented_control(key="chart").set_value("likelihood").run())
    assert "perplexity" in texts(app) and "before temperature" in texts(app)
    app = fine(visit(run=keep(made_up.given())))
    assert "How likely this answer is to" in texts(app)


def test_no_view_says_that_a_given_answer_was_written_by_the_model_that_read_it(visit, keep):
    trace = made_up.given()
    app = fine(visit(run=keep(trace)))
    for view, selection in product((*VIEWS, "likelihood"), (None, ("answer", 0, 1), ("input", 0, 1))):
        app = fine(app.segmented_control(key="chart").set_value(view).run())
        side = selection and dict(zip(("side", "start", "end"), selection, strict=True))
        app.session_state["reader:selection"] = side
        app = fine(app.run())
        specs = [chart.proto.spec + chart.proto.data.data.decode("latin1") for chart in app.get("vega_lite_chart")]
        own = trace.request.author.replace("*", r"\*")
        said = re.sub(rf"written by {re.escape(own)}|What (did|a language) [a-z ]+ while it wrote", "", texts(app))
        assert not re.findall(r"(?i)[^.]*\b(?:writing|written|wrote)\b[^.]*", "\n".join([said, *specs])), (view, side)
    words = explain_by(trace, sink="drop", columns="word", rows="word")
    page = to_html(trace, words, sentence=summary_sentence(trace, words, PickedWords(np.arange(2), None, "“Black”")))
    assert "While reading “Black”" in page and f"written by {trace.request.author}" in page
    assert not re.search(
        r"(?i)while (it|they) (was|were|wrote)|\bwriting\b|was written|were written", page.split("<script")[0]
    )


def test_the_rows_of_a_picked_word_are_framed_in_the_heatmap(visit, keep):
    def spec(app):
        return app.get("vega_lite_chart")[0].proto.spec

    app = fine(visit(run=keep(made_up.run())))
    whole = spec(app)
    box = next(box for box in app.selectbox if box.label == "Word of the answer")
    app = fine(box.select_index(1).run())
    picked = spec(app)
    assert picked != whole
    box = next(box for box in app.selectbox if box.label == "Word of the answer")
    assert spec(fine(box.select_index(2).run())) not in (whole, picked)
