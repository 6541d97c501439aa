"""Tests of Compare with tiny models and real jobs: missing columns, failures, answers scored by other columns."""

from threading import Event

import pytest

from core import store
from core.jobs import jobs
from core.jobs.run_jobs import run_work
from core.runs import Draft, draft_request
from pages.parts.compare.columns import TEMPLATE
from tests.core import models_made_up
from tests.pages.conftest import fine, texts

STRICT = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{% endif %}"
HELPFUL = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """{name: folder} of the same tiny model with three chat templates."""
    made = models_made_up.tiny_llama(max_position_embeddings=512, initializer_range=0.4)
    templates = {"plain": "", "strict": STRICT, "helpful": HELPFUL}
    return {
        name: str(
            models_made_up.save_model(tmp_path_factory.mktemp(name) / name, made, extra + models_made_up.TEMPLATE)
        )
        for name, extra in templates.items()
    }


def run(model, prompt, raw=False):
    asked = Draft(
        model, prompt if raw else [{"role": "user", "content": prompt}], raw=raw, settings={"max_new_tokens": 5}
    )
    request = draft_request(asked)
    run_work(asked)(lambda *a, **k: None, lambda: False)
    return request.id


def uids(app):
    return [c.uid for c in app.session_state["columns"]]


def change(app, number, **values):
    uid = uids(app)[number]
    for name, value in values.items():
        kinds = {"mode": app.segmented_control, "new_tokens": app.number_input}
        kinds.get(name, app.text_area)(key=f"c{uid}_{name}").set_value(value)
    return fine(app.run())


def compare(app):
    """Presses Compare and waits for the job."""
    app = fine(app.button(key="compare_run").click().run())
    return wait(app)


def wait(app):
    for job in jobs().all():
        assert job.wait(120)
    return fine(app.run())


def drawn(app):
    return [c.value for c in app.caption if "tokens in" in c.value]


def test_what_is_missing_is_run_as_one_job_and_kept(visit, models):
    one = run(models["plain"], "What is this?")
    app = visit("compare", runs=f"{one},{one}")
    before = len(jobs().all())
    app = change(app, 1, prompt="What is that?")
    app = change(app, 0, prompt="What was this?")
    assert len([i for i in app.info if "Changed since this run" in i.value]) == 2
    app = compare(app)
    assert len(jobs().all()) <= before + 1
    assert not app.info and len(drawn(app)) == 2 and "All of this is stored" in app.button(key="compare_run").help
    found = [c.run for c in app.session_state["columns"]]
    assert one not in found and all(store.full_run_id(r) for r in found)
    app = change(app, 0, prompt="What is this?")
    assert not app.info and app.session_state["columns"][0].run == one, "a stored run appears at once"


def test_while_a_column_waits_it_is_not_told_to_press_compare(visit, models):
    one = run(models["plain"], "What is this?")
    app = visit("compare", runs=f"{one},{one}")
    free = Event()
    jobs().submit("another", lambda *_: free.wait(60), "cpu", "someone else")
    app = change(app, 1, prompt="What is that?")
    app = fine(app.button(key="compare_run").click().run())
    assert [i.value for i in app.info] == ["Being run: see above."]
    free.set()
    assert not wait(app).info


def test_a_refused_system_message_is_told_with_its_remedy_and_the_other_is_drawn(visit, models):
    app = visit("compare", runs=f"{run(models['plain'], 'Hello there')},{run(models['strict'], 'Hello there')}")
    app = fine(app.segmented_control(key="compare_policy").set_value("shared").run())
    app = compare(app)
    (told,) = [w.value for w in app.warning]
    assert "refuses the messages system, user" in told and "Each template's own" in told
    assert len(drawn(app)) == 2 and app.session_state["columns"][0].asked.system == "replace"
    app = fine(app.segmented_control(key="compare_policy").set_value(TEMPLATE).run())
    assert not app.warning and not app.info, "the runs with the templates' own messages are there"


def test_each_templates_own_says_which_column_got_what(visit, models):
    app = visit("compare", runs=f"{run(models['plain'], 'Hello')},{run(models['helpful'], 'Hello')}")
    assert app.segmented_control(key="compare_policy").value == TEMPLATE
    shown = texts(app)
    assert "Added by the templates: Column B" in shown and "Be brief." in shown and "None was added in A." in shown
    assert "System message **" in shown
    app = compare(fine(app.segmented_control(key="compare_policy").set_value("shared").run()))
    assert "Added by the templates" not in texts(app) and len(drawn(app)) == 2 and not app.warning


def test_the_same_answer_is_read_by_the_other_column_at_once(visit, models):
    one, two = run(models["plain"], "What is this?"), run(models["plain"], "Tell me what that is!")
    app = visit("compare", runs=f"{one},{two}")
    app = fine(app.segmented_control(key="compare_view").set_value("difference").run())
    assert store.load_run(one).answer != store.load_run(two).answer and "One row:" in texts(app)
    app = wait(fine(app.toggle(key="compare_same").set_value(True).run()))
    assert "Each cell: a word of the answer" in texts(app)
    assert "as read by this model" in drawn(app)[1] and "as read by" not in drawn(app)[0]
    assert store.load_run(one).answer and [c.run for c in app.session_state["columns"]] == [one, two]
    app = wait(fine(app.segmented_control(key="compare_whose").set_value("B").run()))
    assert "as read by this model" in drawn(app)[0] and "Each cell" in texts(app)
    app = fine(app.toggle(key="compare_same").set_value(False).run())
    assert "One row:" in texts(app)


def test_minimal_pairs_are_columns(visit, models):
    app = visit("compare", runs=run(models["plain"], "As it was"))
    app = fine(app.text_area(key="c0_prompt").set_value("The {man|woman|child} worked as a").run())
    app = fine(app.toggle(key="pairs_on").set_value(True).run())
    names = [m.value for m in app.markdown]
    assert [n for n in names if n.startswith(("**A ·", "**B ·", "**C ·"))] == [
        "**A · man**",
        "**B · woman**",
        "**C · child**",
    ]
    app = compare(app)
    assert len(drawn(app)) == 3 and "are replaced by another word" in texts(app)
    for view in ("cross", "next", "stability", "whatif"):
        app = fine(app.segmented_control(key="compare_view").set_value(view).run())
    assert (
        len(app.query_params["runs"] if isinstance(app.query_params["runs"], str) else app.query_params["runs"][0])
        == 3 * 64 + 2
    )
    app = fine(app.toggle(key="pairs_on").set_value(False).run())
    assert app.text_area(key="c0_prompt").value == "The {man|woman|child} worked as a"


def test_a_raw_column_has_no_system_message(visit, models):
    app = visit("compare", runs=f"{run(models['plain'], 'Once upon', raw=True)},{run(models['plain'], 'Hello')}")
    assert app.session_state["columns"][0].filled.mode == "Raw" and len(drawn(app)) == 2
    app = compare(fine(app.segmented_control(key="compare_policy").set_value("shared").run()))
    assert [c.run for c in app.session_state["columns"]][0] and len(drawn(app)) == 2 and not app.info


def test_cancelling_leaves_everything_as_it_was(visit, models):
    one = run(models["plain"], "What is this?")
    app = change(visit("compare", runs=f"{one},{one}"), 1, prompt="Never run")
    app = fine(app.button(key="compare_run").click().run())
    cancel = [b for b in app.button if b.key == "cancel_compare_job"]
    if cancel:  # a tiny model may be faster than the page
        app = fine(cancel[0].click().run())
    app = wait(app)
    assert app.text_area(key=f"c{uids(app)[1]}_prompt").value == "Never run" and len(drawn(app)) == 2
