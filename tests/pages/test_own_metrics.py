"""Tests of own metrics on their pages: added to a plan and to a finished study, refused with a sentence, shown in Findings."""

import pytest

from core.jobs import jobs
from core.study import database, list_studies
from core.study.own_values import define_own_metrics
from core.study.quality.own_metric import OwnMetric
from core.study.study import Study
from pages.parts.study.study_form import field_key
from tests.pages import rate_made_up
from tests.pages.conftest import fine, texts
from tests.pages.test_study import busy

__all__ = ["busy"]

QWEN = "qwen2.5-coder-0.5b-instruct"


def add(app, place, kind, name, text, **more):
    """Fills in the form and presses Add."""
    app.selectbox(key=field_key(f"metric_kind_{place}")).set_value(kind).run()
    app.text_input(key=field_key(f"metric_name_{place}")).set_value(name)
    app.text_area(key=field_key(f"metric_text_{place}")).set_value(text)
    for option, value in more.items():
        box = app.selectbox if isinstance(value, str) else app.checkbox
        box(key=field_key(f"metric_{option}_{place}")).set_value(value)
    return app.button(key=field_key(f"metric_add_{place}")).click().run()


def expanders(app):
    return [e.label for e in app.expander]


def test_a_metric_of_a_new_plan_is_part_of_it_when_it_starts(visit, busy):
    app = fine(visit("study"))
    assert "Own metrics (optional)" in expanders(app)
    app = fine(add(app, "new", "regex", "yes or no <b>", "^(yes|no)", ignore_case=True))
    assert "Own metrics: 1" in expanders(app) and app.text_input(key="study_metric_name_new").value == ""
    app = fine(add(app, "new", "judge", "right", "The answer is right.", model=QWEN, scale="1-5"))
    assert "right (judged by Qwen2.5" in texts(app)
    options = app.selectbox(key=field_key("metric_0")).options
    assert "yes or no <b>" in options
    app = fine(app.button(key="study_start").click().run())
    (made,) = list_studies()
    plan = Study(made.id).plan
    assert [m.column for m in plan.metrics] == ["own:yes or no <b>", f"judge5:right@{QWEN}"]
    assert plan.metrics[0].ignore_case and plan.metrics[1].text == "The answer is right."
    app = fine(app.button(key="study_again").click().run())
    assert "Own metrics: 2" in expanders(app), "Use as a new plan takes them along"
    app = fine(app.button(key="study_metric_drop_new_own:yes or no <b>").click().run())
    assert "Own metrics: 1" in expanders(app) and "^(yes" not in texts(app)


def test_a_metric_that_was_just_removed_does_not_come_back(visit):
    app = fine(add(fine(visit("study")), "new", "contains", "a", "aa"))
    app = fine(add(app, "new", "contains", "b", "bb"))
    app.text_input(key="study_metric_name_new").set_value("c")
    app.text_area(key="study_metric_text_new").set_value("cc")
    for key in ("drop_new_own:a", "drop_new_own:b", "add_new"):  # pressed so fast that nothing is drawn in between
        app.button(key=f"study_metric_{key}").click()
    assert [metric.name for metric in fine(app.run()).session_state["study_metrics"]] == ["c"]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [("regex", "(", "is no regular expression"), ("json_schema", "{", "is no JSON"), ("contains", "", "needs a text")],
)
def test_what_cannot_be_used_is_said_and_what_was_typed_stays(visit, kind, text, words):
    app = add(fine(visit("study")), "new", kind, "mine", text)
    assert len(app.error) == 1 and words in app.error[0].value and not app.exception
    assert app.text_input(key="study_metric_name_new").value == "mine"
    app = fine(add(app, "new", "contains", "mine", "x"))
    app = add(app, "new", "equals", "mine", "y")
    assert "Two own metrics are called" in app.error[0].value and "Own metrics: 1" in expanders(app)


def test_python_files_are_offered_only_where_the_owner_switched_them_on(visit, monkeypatch):
    key = "study_metric_kind_new"
    assert "Python file" not in fine(visit("study")).selectbox(key=key).options
    monkeypatch.setenv("HEED_PLUGINS", "1")
    assert "Python file" in fine(visit("study")).selectbox(key=key).options


def test_a_finished_study_gets_one_too(visit, busy):
    made = rate_made_up.study()
    app = fine(visit("study", study=made.id))
    app = fine(add(app, made.id, "contains", "says blue", "blue"))
    assert jobs().all()[-1].key == f"study {made.id}", "it is computed at once"
    assert Study(made.id).plan.metrics == (OwnMetric("says blue", "contains", "blue"),)
    assert "Own metrics: 1" in expanders(app)


def test_answers_that_wait_for_their_judge_can_be_sent_to_it(visit, busy):
    made = rate_made_up.study()
    define_own_metrics(made.db, [OwnMetric("right", "judge", "It is right.", model=QWEN)])
    app = fine(visit("study", study=made.id))
    app = fine(app.button(key="study_judge").click().run())
    assert jobs().all()[-1].key == f"study {made.id}"


def test_findings_show_them_like_built_in_ones_and_say_whose_scores_a_judges_are(visit, busy):
    made = rate_made_up.study()
    metrics = [OwnMetric("says blue", "contains", "blue"), OwnMetric("right", "judge", "It is right.", model=QWEN)]
    define_own_metrics(made.db, metrics)
    database.add_columns(made.db, [m.column for m in metrics])
    for number, row in enumerate(made.db.execute("SELECT cell FROM runs").fetchall()):
        sql = f'UPDATE runs SET "own:says blue" = ?, "{metrics[1].column}" = ? WHERE cell = ?'
        made.db.execute(sql, [number % 2, number / 4, row["cell"]])
    app = visit("findings", study=made.id)
    shown = texts(app)
    assert not app.exception and "right (judged by Qwen2.5" in shown
    assert (
        "mean 0.38 as the judge gave it (1 is yes; n = 4). Nobody rated these answers: the scores are uncorrected."
        in shown
    )
