"""Tests of a study on its page: finished, failed, extended and deleted, and its state shown at every moment."""

import pytest

from core.jobs import jobs
from core.study import Study, cell_store, database, list_studies
from core.study.study_status import Status
from pages.parts.study.study_progress import study_phase
from tests.core import study_tiny
from tests.pages import rate_made_up
from tests.pages.conftest import fine, texts
from tests.pages.test_study import busy

__all__ = ["busy"]


def labels(app):
    return [e.proto.label for e in app.get("download_button")]


def test_a_finished_study_shows_its_answers_and_leads_on(visit):
    made = rate_made_up.study("Colors <b>**x**</b>")
    app = fine(visit("study", study=made.id))
    shown = texts(app)
    assert "2 items (fact questions)" in shown and "4 runs took 4 s" in shown and not app.warning
    assert labels(app) == ["Runs, CSV", "Runs, Parquet", "Instructions, CSV", "plan.json"]
    links = [e.proto.page_link if hasattr(e.proto, "page_link") else e.proto for e in app.get("page_link")]
    assert sum(f"study={made.id}" in str(link) for link in links) == 2
    app = fine(app.toggle(key=f"study_answers_{made.id}").set_value(True).run())
    table = app.dataframe[0].value
    assert set(table["Answer"]) == {"Blue.", "Green.", rate_made_up.ANSWERS["fact-1"][1]}
    assert set(table["Structure"]) == {"As it is", "Role play"}
    assert "Position control" not in table, "the study has none"


def test_many_answers_have_pages(visit, monkeypatch):
    monkeypatch.setattr("pages.parts.study.study_detail.ANSWERS", 3)
    made = rate_made_up.study()
    app = visit("study", study=made.id)
    app = fine(app.toggle(key=f"study_answers_{made.id}").set_value(True).run())
    first = app.dataframe[0].value
    assert "4 runs, newest first · page 1 of 2" in texts(app) and len(first) == 3
    app = fine(app.number_input(key=f"study_answers_page_{made.id}").set_value(2).run())
    last = app.dataframe[0].value
    assert len(last) == 1 and last["Answer"][0] == made.table()["answer"][0]


def test_failed_runs_tell_why_and_are_tried_again(visit, busy, monkeypatch):
    monkeypatch.setattr("pages.parts.engine_picker.ray_is_installed", lambda: True)
    made = rate_made_up.study()
    for row in database.query_rows(made.db, "SELECT * FROM cells LIMIT 3"):
        cell_store.fail_cell(made.db, row, "The prompt is <b>too</b> long.")
    app = fine(visit("study", study=made.id))
    assert "3 runs failed" in app.warning[0].value and len(app.warning) == 1
    assert app.selectbox(key="study_engine"), "what failed is tried again where one picks"
    app = fine(app.button(key="study_retry").click().run())
    assert jobs().all()[-1].key == f"study {made.id}" and app.button(key="study_pause")


@pytest.fixture
def read_study(tmp_path):
    """A finished study of a tiny model, read by one method."""
    made = Study(study_tiny.plan(study_tiny.model(tmp_path), count=2, methods=("mean-attention",)))
    assert made.run(1).over
    yield made
    made.close()


def test_answers_are_read_again_for_a_method_added_later(visit, busy, read_study):
    made = read_study
    app = fine(visit("study", study=made.id))
    again, count = f"study_again_{made.id}", len(made.table())
    assert not [b for b in app.button if b.key == again], "nothing lacks anything"
    made.extend(methods=("value-weighted",))
    app = fine(visit("study", study=made.id))
    assert f"{count} runs lack features" in texts(app)
    fine(app.button(key=again).click().run())
    assert Study(made.id).status().waiting == count and jobs().all()[-1].key == f"study {made.id}"
    database.keep_old_run(made.db, made.table()["cell"][0], "It <b>failed</b>.", database.NOT_AGAIN)
    app = fine(visit("study", study=made.id))
    assert "1 could not be read again and stayed as they are: It" in texts(app)


def test_a_method_added_to_a_study_reads_its_answers_again(visit, busy, read_study):
    made = read_study
    app = fine(visit("study", study=made.id))
    app.multiselect(key=f"study_more_methods_{made.id}").set_value(["excess"]).run()
    fine(app.button(key=f"study_extend_{made.id}").click().run())
    study = Study(made.id)
    assert "excess" in study.plan.methods and study.status().waiting == len(made.table())
    assert jobs().all()[-1].key == f"study {made.id}"


def test_cut_off_answers_go_on(visit, busy):
    made = rate_made_up.study()
    count, last = len(made.cut_off()), max(made.cut_off().values())
    app = fine(visit("study", study=made.id))
    assert count and f"{count} answer{'s were' if count > 1 else ' was'} cut off at {last} tokens" in texts(app)
    database.keep_old_run(made.db, next(iter(made.cut_off())), "It has <b>too</b> many tokens.")
    app = fine(visit("study", study=made.id))
    assert "1 could not be made longer and stayed as they are: It has" in texts(app)
    app.number_input(key=f"study_longer_{made.id}_{last}").set_value(last + 5)
    fine(app.button(key=f"study_lengthen_{made.id}").click().run())
    assert Study(made.id).status().waiting == count and len(Study(made.id).cut_off()) == count
    assert database.longer_limit(Study(made.id).db) == last + 5
    assert jobs().all()[-1].key == f"study {made.id}"
    with Study(made.id).db as db:
        db.execute("UPDATE runs SET truncated = 0")
    app = fine(visit("study", study=made.id))
    assert not [b for b in app.button if b.key == f"study_lengthen_{made.id}"], "nothing is cut off any more"


def test_a_study_grows_by_what_is_new(visit, busy):
    made = rate_made_up.study()
    app = fine(visit("study", study=made.id))
    app = app.button(key=f"study_extend_{made.id}").click().run()
    assert app.error[0].value.startswith("Nothing is picked") and not jobs().all()[1:]
    app = app.multiselect(key=f"study_more_structures_{made.id}").set_value(["few_shot_1"]).run()
    app.multiselect(key=f"study_more_structures_{made.id}").set_value(["instruction_last"])  # edited as it is pressed
    app = fine(app.button(key=f"study_extend_{made.id}").click().run())
    status = Study(made.id).status()
    assert (status.done, status.waiting) == (4, 2), "what was done is run again, or nothing new is"
    assert "few_shot_1" not in Study(made.id).plan.structures, "what was taken out as the button was pressed is added"
    assert "instruction_last" in Study(made.id).plan.structures and [s.id for s in list_studies()] == [made.id]
    assert app.multiselect(key=f"study_more_structures_{made.id}").value == []


def test_deleting_is_asked_twice_and_others_stay(visit):
    first, second = rate_made_up.study("One"), rate_made_up.study("Two")
    second = Study(second.plan.__class__("Two", ("m",), ("plain",), items=rate_made_up.ITEMS))
    app = fine(visit("study", study=first.id))
    fine(app.button(key=f"study_open_{second.id}").click().run())
    assert app.subheader[0].value.endswith("Two")
    app = fine(app.button(key="study_really").click().run())
    assert [k.id for k in list_studies()] == [first.id] and app.subheader[0].value.endswith("One")


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"total": 4, "waiting": 4}, "new"),
        ({"total": 4, "waiting": 2, "done": 2}, "paused"),
        ({"total": 4, "waiting": 3, "running": 1}, "elsewhere"),
        ({"total": 4, "done": 3, "failed": 1}, "done"),
    ],
)
def test_the_phase_without_a_job(counts, told):
    zero = {"done": 0, "failed": 0, "waiting": 0, "running": 0}
    assert study_phase(Status(**zero | counts), None) == told
