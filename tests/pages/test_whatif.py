"""Tests of the what-if on Explore: knock-outs of a tiny model by real jobs, against a slow oracle."""

import copy
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from core import store
from core.importance import answer_mean, explain
from core.jobs import jobs
from tests.core import models_made_up
from tests.pages import made_up
from tests.pages.conftest import fine, texts

PROMPT = "Say it short. [[question: What color is the sky now?]]"
ANSWER = "It is blue."


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = models_made_up.tiny_llama(max_position_embeddings=512, initializer_range=0.4)
    return str(models_made_up.save_model(tmp_path_factory.mktemp("tiny") / "model", made))


@pytest.fixture(scope="session")
def model(folder):
    from core import load_model

    return load_model(folder)


@pytest.fixture
def trace(model):
    from core import run

    made = run(model, PROMPT, answer=ANSWER)
    store.save_run(made)
    return made


@pytest.fixture
def opened(visit, trace):
    """Explore with the what-if of the run open."""
    app = fine(visit("explore", run=trace.id))
    return fine(button(app, "Knock out").click().run())


def button(app, label):
    return next(b for b in app.button if b.label == label)


def words(app):
    return app.multiselect(key="whatif:box")


def pick(app, *labels):
    """Picks words by their text; of equal words the last one."""
    box = words(app)
    options = {o.split(" · ", 1)[1]: o for o in box.options}
    for label in labels:
        box.select(options[label])
    return fine(app.run())


def finish(app):
    """Waits for the jobs, then draws the page again."""
    for job in jobs().all():
        assert job.wait(60)
    return fine(app.run())


def knocked(app):
    """The sentence about the knock-out."""
    return next((t.value for t in app.text if t.value.startswith("With “")), "")


def oracle(model, trace, hidden):
    """float [answer step] log-probabilities with the tokens ``hidden`` masked, by eager attention and a 2-D mask."""
    import torch
    from transformers import AutoModelForCausalLM

    eager = AutoModelForCausalLM.from_config(copy.deepcopy(model.hf.config), attn_implementation="eager").eval()
    eager.load_state_dict(model.hf.state_dict())
    ids = torch.tensor(trace.token_ids.copy())[None]
    mask = torch.ones_like(ids)
    mask[0, hidden] = 0
    with torch.no_grad():
        places = torch.arange(ids.shape[1])[None]
        logits = eager(input_ids=ids, attention_mask=mask, position_ids=places).logits[0].float()
    logprobs = torch.log_softmax(logits, -1)[trace.prompt_length - 1 : -1]
    return logprobs.gather(1, ids[0, trace.prompt_length :, None])[:, 0].numpy()[trace.answer_steps]


def word_tokens(trace, *labels):
    found = explain(trace, granularity="word").columns
    return np.concatenate([found.tokens_of(found.labels.index(label)) for label in labels])


def test_knocking_out_two_words_says_what_an_independent_pass_says(opened, model, trace):
    app = pick(opened, "color", "sky")
    assert "Press **Knock out**" in texts(app) and not knocked(app)
    app = finish(app.button(key="whatif:go").click().run())
    lost = (oracle(model, trace, []) - oracle(model, trace, word_tokens(trace, "color", "sky"))).sum()
    said = knocked(app)
    assert said.startswith("With “color” and “sky” hidden, this same answer is ")
    number = re.search(
        r"it (lost|gained) (\d+\.\d+) nats over (\d+) tokens|: ([+-]\d+\.\d+) nats over (\d+) tokens", said
    )
    assert number, said
    shown = float(number[4]) if number[4] else float(number[2]) * (1 if number[1] == "lost" else -1)
    assert shown == pytest.approx(lost, abs=0.006)
    assert int(number[3] or number[5]) == len(trace.answer_steps)


def test_the_table_adds_up_and_downloads_stand_below(opened, trace):
    app = finish(pick(opened, "sky").button(key="whatif:go").click().run())
    table = next(d.value for d in app.dataframe if "Lost (nats)" in d.value)
    assert (table["With (nats)"] - table["Without (nats)"]).to_numpy() == pytest.approx(table["Lost (nats)"], abs=2e-4)
    assert table["With (nats)"].sum() == pytest.approx(trace.logprobs[trace.answer_steps].sum(), abs=1e-2)
    assert [w for w in table["Word"] if w.isalpha()] == ["It", "is", "blue"]
    labels = [b.label for b in app.get("download_button")]
    assert labels[:4] == ["PNG", "SVG", "PDF", "CSV"]


def test_a_known_result_is_there_at_once_in_a_new_session(opened, visit, trace):
    app = pick(opened, "color", "sky")
    said = knocked(finish(app.button(key="whatif:go").click().run()))
    st.cache_resource.clear()  # a restarted server
    other = button(visit("explore", run=trace.id), "Knock out").click().run()
    assert not knocked(other)
    assert knocked(pick(other, "color", "sky")) == said


def test_what_is_picked_survives_other_views_and_modes(opened):
    app = pick(opened, "color", "sky")
    for view in ("table", "over", "whatif"):
        app = fine(app.segmented_control(key="chart").set_value(view).run())
    assert len(words(app).value) == 2
    app = fine(app.radio(key="whatif:mode").set_value("remove").run())
    assert len(words(app).value) == 2 and not app.button(key="whatif:go").disabled
    app = fine(app.button(key="whatif:clear").click().run())
    assert words(app).value == [] and app.button(key="whatif:go").disabled


def test_a_click_in_the_input_is_picked_and_goes_along(visit, trace):
    app = visit("explore", run=trace.id)
    app.session_state["reader:selection"] = {"side": "input", "start": 5, "end": 7, "n": 1}
    app = fine(button(app.run(), "Knock out").click().run())
    assert len(words(app).value) == 2


def test_whole_sentences_and_segments_are_one_choice(opened, trace):
    part = opened.selectbox(key="whatif:part")
    assert [o.split(" ")[0] for o in part.options] == ["Segment", "Sentence", "Sentence"]
    app = fine(part.select_index(0).run())
    labels = explain(trace, granularity="word").columns.labels
    assert [labels[c] for c in words(app).value if labels[c].isalpha()] == ["What", "color", "is", "the", "sky", "now"]
    assert app.selectbox(key="whatif:part").value is None


def test_removed_is_scored_on_the_prompt_without_the_word(opened, model, trace):
    from core import run

    app = fine(opened.radio(key="whatif:mode").set_value("remove").run())
    app = finish(pick(app, "sky").button(key="whatif:go").click().run())
    left = run(model, "Say it short. What color is the now?", answer=ANSWER)
    lost = float((trace.logprobs[trace.answer_steps] - left.logprobs[left.answer_steps]).sum())
    assert "taken out of the prompt" in knocked(app)
    table = next(d.value for d in app.dataframe if "Lost (nats)" in d.value)
    assert table["Lost (nats)"].sum() == pytest.approx(lost, abs=1e-3)


def test_each_word_at_once_then_every_point_and_number(opened, model, trace):
    assert "roughly" in texts(opened) or "about" in texts(opened)
    app = finish(button(opened, "Knock out each word").click().run())
    shown = texts(app)
    probe = store.load_probe(trace, "word", "mask")
    found = explain(trace, sink="drop", granularity="word")
    rows = trace.answer_steps
    values, uniform = answer_mean(found, rows)
    own = [i for i, m in enumerate(found.columns.message) if m >= 0 and trace.tokens.sources[m].origin == "user"]
    read, lost = (values / uniform)[own], probe.effect[:, rows].sum(1)[own]
    expected = spearmanr(read, lost).statistic
    assert f"Spearman {expected:+.2f} over {len(own)} words" in shown
    counts = {"Helped": lost > 0.1, "No difference": abs(lost) <= 0.1, "Hindered": lost < -0.1}
    for name, members in counts.items():
        assert f"**{name}** · {members.sum()}" in shown
    some = int(((lost > 0.1) & (read >= 1)).sum())
    listed = [line for line in shown.splitlines() if line.startswith("Read more than uniform: ")]
    assert some == 0 or listed[0].count("“") == min(some, 12)
    single = oracle(model, trace, []) - oracle(model, trace, word_tokens(trace, "sky"))
    assert lost[[found.columns.labels[i] for i in own].index("sky")] == pytest.approx(single.sum(), abs=1e-3)


def test_a_point_that_was_knocked_out_needs_no_second_job(opened):
    app = finish(button(opened, "Knock out each word").click().run())
    app = pick(app, "sky")
    assert knocked(app).startswith("With “sky” hidden") and app.button(key="whatif:go").disabled


def test_the_answer_without_them_is_a_run_of_its_own(opened, trace):
    app = finish(pick(opened, "sky").button(key="whatif:write").click().run())
    assert "**The answer without them**" in texts(app)
    assert "orange-background[**−** " in texts(app) and "what only the answer without them has" in texts(app)
    others = [r.id for r in store.find_runs() if r.id != trace.id]
    made = next(
        t
        for t in map(store.load_run, others)
        if t and t.request.messages and "sky" not in t.request.messages[-1].content
    )
    assert made.request.messages[-1].content == "Say it short. What color is the now?"
    assert not made.request.scored
    assert [s.name for s in made.request.segments] == ["question"]


def test_everything_taken_out_is_told(opened):
    app = opened
    for i in (1, 1):
        app = fine(app.selectbox(key="whatif:part").select_index(i).run())
    app = fine(app.selectbox(key="whatif:part").select_index(2).run())
    assert "Nothing of the prompt would remain" in texts(app)


@pytest.mark.parametrize("make", [made_up.run, made_up.unproven, made_up.marked, made_up.given, made_up.short])
def test_odd_runs_open_at_every_granularity(visit, keep, make):
    app = fine(button(visit("explore", run=keep(make())), "Knock out").click().run())
    for level in range(len(app.selectbox(key="level").options)):
        app = fine(app.selectbox(key="level").select_index(level).run())
        assert words(app).options


def test_a_model_that_is_gone_is_told_and_nothing_is_lost(visit, keep):
    made = made_up.run()
    gone = made_up.replace(made.model.key, name="/no/such/folder")
    made = made_up.replace(
        made, model=made_up.replace(made.model, key=gone), request=made_up.replace(made.request, model=gone)
    )
    app = fine(button(visit("explore", run=keep(made)), "Knock out").click().run())
    app = pick(app, "sky")
    app = app.button(key="whatif:go").click().run()
    for job in jobs().all():
        job.wait(60)
    app = app.run()
    assert not app.exception and len(app.error) == 1
    assert "/no/such/folder" in app.error[0].value.replace("\\", "")
    assert len(words(app).value) == 1
    assert not pick(app, "color").error, "other words, another story"


def test_a_run_without_attention_is_knocked_out_too(visit, keep):
    app = visit("explore", run=keep(made_up.attentionless()))
    app = fine(button(app, "Knock out").click().run())
    assert app.radio(key="whatif:mode").value == "remove"
    assert "look" in " ".join(words(app).options)


def test_no_forbidden_word_on_the_page(opened):
    app = finish(button(opened, "Knock out each word").click().run())
    assert not re.search(r"\b(because|ignored|relied on)\b", texts(pick(app, "sky")), re.I)


def test_cancel_frees_the_page_and_stores_nothing(opened, trace):
    running, free = threading.Event(), threading.Event()

    def block(progress, cancelled):
        running.set()
        free.wait(60)

    blocker = jobs().submit("blocker", block, trace.request.model.device)
    try:
        assert running.wait(60)
        before = jobs().all()
        app = fine(button(opened, "Knock out each word").click().run())
        assert "in the queue before this one" in texts(app)
        (job,) = [j for j in jobs().all() if j not in before]
        app = fine(app.button(key="cancel_whatif:each").click().run())
        assert job.state == "cancelled" and button(app, "Knock out each word")
    finally:
        free.set()
        blocker.wait(60)
    assert store.load_probe(trace, "word", "mask") is None


def test_what_a_cancelled_knock_out_had_computed_is_drawn(opened, visit, model, trace):
    """A part is stored as a running or cancelled job does; the page draws its rows, the largest first."""
    from core import knock_out

    whole = knock_out(model, trace)
    scored, rows = [2, 4, 5], np.full_like(whole.logprobs, np.nan)
    rows[scored] = whole.logprobs[scored]
    store.save_probe(replace(whole, logprobs=rows, parameters=dict(whole.parameters) | {"scored": scored}))
    app = fine(opened.run())
    assert f"3 of {len(whole.units)} words so far" in texts(app) and "goes on from there" in texts(app)
    (table,) = [d.value for d in app.dataframe if "Lost over the answer (nats)" in d.value]
    order = sorted(scored, key=lambda unit: -whole.effect[unit, trace.answer_steps].sum())
    assert (table["Unit"] - 1).tolist() == order
    app = finish(button(app, "Knock out each word").click().run())
    assert "so far" not in texts(app)


def test_two_what_ifs_on_one_page_do_not_meet(trace, model):
    from core import run

    other = run(model, "Another one", answer="Yes.")
    store.save_run(other)

    def page(first, second):
        import streamlit as st

        from core import store
        from pages.parts.reading_controls import Choices
        from pages.parts.whatif import what_if

        chosen = Choices("mean-attention", None, None, "drop", "word", 1.0)
        for column, run_id, key in zip(st.columns(2), (first, second), ("a", "b"), strict=True):
            with column:
                what_if(store.load_run(store.open_run(run_id).request), chosen, key)

    app = fine(AppTest.from_function(page, args=(trace.id, other.id), default_timeout=60).run())
    app = fine(app.multiselect(key="a:box").select("1 · Say").run())
    assert len(app.multiselect(key="a:box").value) == 1 and not app.multiselect(key="b:box").value
    app = finish(app.button(key="a:go").click().run())
    assert [t.value[:12] for t in app.text if t.value.startswith("With")] == ["With “Say” h"]
    app = finish(app.button(key="b:each_button").click().run())
    assert "Rank agreement" in texts(app)


def test_a_model_that_is_not_here_is_told_with_its_size_before_it_is_fetched(visit, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "none"))
    app = fine(visit("explore"))
    assert "is not on this machine yet" not in texts(app)
    app = fine(button(app, "Knock out").click().run())
    assert "SmolLM2 135M Instruct is not on this machine yet: it is fetched first (9" in texts(app)
