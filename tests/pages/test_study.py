"""Tests of Study without a browser: a first study, faulty fields, own templates, plans put back into the form."""

import json
import threading

import pytest

from core.jobs import jobs
from core.models.catalogue import MINILM
from core.study import Plan, Study, estimate_plan, list_studies
from core.study.plan import baseline_structure
from pages.parts.study.models_section import families
from pages.parts.study.study_list import read_plan
from tests.pages import rate_made_up
from tests.pages.conftest import fine, texts

SMOL = "smollm2-135m-instruct"


@pytest.fixture
def busy():
    """Blocks the queue of studies, so that a started one waits and no model is loaded."""
    free = threading.Event()
    jobs().submit("something else", lambda progress, cancelled: free.wait(30), "study")
    yield
    for job in jobs().all():
        job.cancel()
    free.set()


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def test_a_newcomer_sees_a_small_study_ready_to_start(visit):
    app = fine(visit("study"))
    assert metric(app, "Runs") == "60" and metric(app, "Time, about").endswith("min")
    assert not app.warning
    shown = texts(app)
    assert shown.count("blue-badge[instruction]") == 3 and shown.count("orange-badge[question]") == 3
    assert "position control" in shown and "[neutral words, as long as the instruction]" in shown
    assert "**Instruction first** · Instruction, context, question." in shown
    assert not app.warning and app.session_state["study_models"] == [SMOL]


def test_start_makes_a_study_that_is_found_again(visit, busy):
    app = fine(visit("study").button(key="study_start").click().run())
    known = list_studies()
    assert [k.name for k in known] == ["First look"] and known[0].status.total == 60
    assert "1 in the queue before this one" in "".join(str(e.proto) for e in app.get("progress"))
    assert app.query_params["study"] in (known[0].id, [known[0].id])
    again = fine(visit("study"))  # another visitor, or the same one later
    assert again.subheader[0].value.endswith("First look") and again.button(key="study_pause")
    app = fine(again.button(key="study_pause").click().run())
    assert app.button(key="study_resume").label == "Start" and list_studies()[0].status.waiting == 60
    app = fine(app.segmented_control(key="study_view").set_value("new").run())
    app = fine(app.button(key="study_pilot").click().run())
    assert app.subheader[0].value.endswith("First look"), "the study that was started is not shown"
    assert len(list_studies()) == 1 and jobs().all()[-1].key == f"study {list_studies()[0].id}", (
        "a pilot is part of its study"
    )
    fine(app.button(key="study_stop_delete").click().run())
    assert list_studies() == []


def test_a_field_edited_just_before_start_counts(visit, busy):
    app = fine(visit("study"))
    app.text_input(key="study_name").set_value("Typed last")
    app.number_input(key="study_tokens").set_value(33)
    fine(app.button(key="study_start").click().run())
    (made,) = list_studies()
    assert (made.name, Study(made.id).plan.max_new_tokens) == ("Typed last", 33)


def test_the_press_that_ends_the_typing_of_what_was_missing_starts(visit, busy):
    app = fine(visit("study"))
    app = fine(app.text_input(key="study_name").set_value(" ").run())
    app.text_input(key="study_name").set_value("Typed last")
    fine(app.button(key="study_start").click().run())
    assert [made.name for made in list_studies()] == ["Typed last"]


def test_what_is_missing_or_wrong_is_told_in_one_sentence(visit):
    app = visit("study")
    for field, value, told in [
        ("tasks", [], "No task is picked"),
        ("structures", [], "no structure"),
        ("models", [], "no model"),
        ("name", " ", "no name"),
        ("methods", [], "No reading of attention"),
    ]:
        before, app.session_state[f"study_{field}"] = app.session_state[f"study_{field}"], value
        app = fine(app.button(key="study_start").click().run())
        assert told in app.warning[0].value and not list_studies()
        app.session_state[f"study_{field}"] = before
    app = fine(app.number_input(key="study_temperature").set_value(0.7).run())
    assert metric(app, "Runs") == "90", "three seeds; without structures there were no controls"
    for typed, told in [("0, x", "'x' is no seed"), ("", "has no seed"), ("-1", "'-1' is no seed"), ("1.5", "'1.5'")]:
        app.text_input(key="study_seeds").set_value(typed)
        app = fine(app.button(key="study_start").click().run())
        assert told in app.warning[0].value and not list_studies()


def test_own_templates_are_checked_and_used(visit):
    app = visit("study")
    app.text_input(key="study_template_name").set_value("Sandwich")
    app.text_area(key="study_template_text").set_value("{instruction} {wrong}")
    app = app.button(key="study_template_add").click().run()
    assert "unknown placeholder {wrong}" in app.error[0].value.replace("\\", "")
    app.text_area(key="study_template_text").set_value("Hear: {instruction}\n\n{context}\n\n{question}\n\nGo.")
    app = fine(app.button(key="study_template_add").click().run())
    assert app.session_state["study_structures"][-1] == "custom:Sandwich" and metric(app, "Runs") == "75"
    assert "Hear:" in texts(app) and "Go." in texts(app)
    app = fine(app.button(key="study_drop_Sandwich").click().run())
    assert metric(app, "Runs") == "60" and "Hear:" not in texts(app)
    app = fine(app.pills(key="study_structures").set_value(["instruction_last", "step_by_step"]).run())
    assert app.session_state["study_controls"] == ["instruction_last"], "a control of a structure that is not run"
    app = fine(app.number_input(key="study_control_items").set_value(2).run())
    assert "6 of the runs are position controls" in texts(app)


def test_pairs_and_a_ladder_are_part_of_the_plan(visit, busy):
    found = families()
    assert found["SmolLM2"] == ["smollm2-135m-instruct-original", "smollm2-360m-instruct", "smollm2-1.7b-instruct"]
    app = fine(visit("study").button(key="study_ladder_SmolLM2").click().run())
    assert metric(app, "Runs") == "180" and "fetched first" in texts(app)
    app = fine(app.selectbox(key="study_feature_0").set_value("share_instruction").run())
    assert not [s for s in app.selectbox if s.key == "study_feature_1"]
    app = fine(app.selectbox(key="study_metric_0").set_value("followed").run())
    assert [s for s in app.selectbox if s.key == "study_feature_1"] and "Expected pairs: 1" in [
        e.label for e in app.expander
    ]
    fine(app.button(key="study_start").click().run())
    plan = Study(list_studies()[0].id).plan
    assert plan.primary == (("share_instruction", "followed"),) and list(plan.models) == found["SmolLM2"]


FULL = Plan(
    "Taken <b>over</b>",
    (SMOL, "/a/folder"),
    structures=("instruction_last", "plain", "custom:Mine"),
    suites=("bias", "arithmetic"),
    per_task=3,
    controls=("plain",),
    control_items=2,
    seeds=(4, 5),
    temperature=0.5,
    max_new_tokens=7,
    methods=("mean-attention",),
    effects=False,
    primary=(("sink", "correct"), ("lookback", "words")),
    templates={"Mine": "{question}\n\n{instruction}"},
)


OWN = Plan("Own", (SMOL,), ("plain", "role_play"), items=rate_made_up.ITEMS, seeds=(1,), max_new_tokens=9)


@pytest.mark.parametrize("plan", [FULL, OWN], ids=["built-in", "own items"])
def test_a_plan_fills_the_form_and_comes_out_the_same(visit, busy, plan):
    made = Study(plan)
    app = visit("study", study=made.id)
    app = fine(app.button(key="study_again").click().run())
    assert app.session_state["study_view"] == "new" and "study" not in app.query_params
    assert app.session_state["study_feature_0"] == (plan.primary[0][0] if plan.primary else None)
    fine(app.button(key="study_start").click().run())
    assert [k.id for k in list_studies()] == [made.id], "another plan than the one that filled the form"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff\xfe\x00", "UTF-8"),
        (b"{", "no JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"name": "x", "models": ["m"]}', "no items"),
        (b'{"name": "x", "models": ["m"], "items": {"file": "/etc/passwd"}}', "upload that file"),
        (b'{"nam": "x"}', "unknown field 'nam'"),
    ],
)
def test_a_faulty_plan_is_told_in_one_sentence(data, told):
    with pytest.raises(Exception, match=r".") as caught:
        read_plan(data)
    assert told in str(caught.value) and type(caught.value).__name__ == "PromptError"


def test_a_good_plan_is_read_back():
    assert read_plan(b"\xef\xbb\xbf" + FULL.to_json().encode()).id == FULL.id
    assert baseline_structure(FULL) == "instruction_last" and json.loads(FULL.to_json())["per_task"] == 3


def test_a_guess_of_the_time_needs_a_known_size():
    small = Plan("x", (SMOL,), suites=("fact",))
    found = estimate_plan(small)
    assert found.seconds > 0 and not found.measured
    assert estimate_plan(Plan("x", ("/a",), suites=("fact",))).seconds is None


def test_a_link_to_a_study_that_is_gone_says_so(visit):
    app = fine(visit("study", study="0123456789"))
    assert "no study 0123456789" in app.warning[0].value and "no study yet" in app.info[0].value


def test_the_encoder_is_offered_until_it_is_here(visit, tmp_path, monkeypatch):
    from core.study.quality import encoder

    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "no models"))
    free = threading.Event()
    jobs().submit("before it", lambda progress, cancelled: free.wait(30), "fetch")
    app = fine(visit("study"))
    assert "84 MB" in app.button(key="study_encoder").label
    fine(app.button(key="study_encoder").click().run())
    assert [j.key for j in jobs().all()][-1] == "minilm", "it waits behind other downloads"
    for job in jobs().all():
        job.cancel()
    free.set()
    encoder.encoder_folder().mkdir(parents=True)
    for name, _ in MINILM.files:
        (encoder.encoder_folder() / name).touch()
    app = fine(visit("study"))
    assert "study_encoder" not in [b.key for b in app.button]
