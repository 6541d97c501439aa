"""Tests of Grid without a browser: what is pasted or uploaded, starting, reopening, cancelling, a click, words used."""

import json
import re

import pytest

from core import store
from core.jobs import jobs
from core.study import Study, cell_store, database, list_studies
from core.study.grid import pasted_items
from tests.pages import grid_made_up, made_up
from tests.pages.conftest import fine, texts
from tests.pages.test_study import busy

__all__ = ["busy"]

SKY = "Answer in one word: What color is the sky?"


def table(app):
    """The data that the table of answers was drawn with."""
    return json.loads(app.get("bidi_component")[0].proto.json)


def links(app):
    return [str(e.proto) for e in app.get("page_link")]


def test_a_newcomer_pastes_lines_and_runs(visit, busy):
    app = fine(visit("grid"))
    assert "There is no prompt yet" in texts(app)
    app = app.button(key="grid_run").click().run()
    assert not app.exception and app.error[0].value.startswith("There is no prompt yet") and not list_studies()
    app.text_area(key="grid_text").set_value(f"{SKY}\tblue\n{made_up.HOSTILE}")
    app.number_input(key="grid_samples").set_value(3)
    app = fine(app.run())
    assert re.search(r"6 answers · about \d+ (s|min)", texts(app))
    app = fine(app.button(key="grid_run").click().run())
    (made,) = list_studies()
    assert made.grid and made.status.total == 6 and app.query_params["grid"] == made.id
    assert app.button(key="grid_stop") and jobs().all()[-1].key == f"study {made.id}"
    assert "1 in the queue before this one" in "".join(str(e.proto) for e in app.get("progress"))
    app = fine(app.button(key="grid_stop").click().run())
    assert app.button(key="grid_go") and jobs().all()[-1].state == "cancelled"
    app = fine(app.button(key="grid_go").click().run())
    assert not jobs().all()[-1].over, "Run goes on"


def test_the_press_that_ends_the_typing_of_the_first_prompt_runs_it(visit, busy):
    app = fine(visit("grid"))
    app.text_area(key="grid_text").set_value(SKY)
    fine(app.button(key="grid_run").click().run())
    assert [made.status.total for made in list_studies()] == [1]


def test_what_cannot_be_queued_or_is_gone_is_one_sentence(visit, busy, monkeypatch):
    ident = grid_made_up.grid(pasted_items(SKY), done=0)
    app = fine(visit("grid", grid=ident))
    monkeypatch.setattr(jobs(), "waiting", 0)
    app = app.button(key="grid_go").click().run()
    assert not app.exception and "try again when some are done" in app.error[0].value
    app = fine(app.run())
    Study(ident).delete()  # Delete pressed twice at once: the first press, before anything was drawn
    app = fine(app.button(key="grid_delete").click().run())
    assert "grid" not in app.query_params


def test_a_grid_opens_by_its_address_with_its_form_filled(visit):
    ident = grid_made_up.grid(pasted_items(f"{SKY}\tblue\nWhy?"), samples=2, done=3)
    app = fine(visit("grid", grid=ident[:9]))
    assert app.query_params["grid"] == ident and app.text_area(key="grid_text").value == f"{SKY}\tblue\nWhy?"
    assert app.number_input(key="grid_samples").value == 2 and app.button(key="grid_go")
    states = [a["state"] for row in table(app)["rows"] for cell in row["cells"] for a in cell["answers"]]
    assert sorted(states) == ["done", "done", "done", "waiting"]
    app.switch_page("pages/compare.py").run()
    app.switch_page("pages/grid.py")
    assert fine(app.run()).query_params["grid"] == ident, "it is still open when a visitor comes back"


def test_neither_study_nor_plan_is_said(visit):
    ident = grid_made_up.grid(pasted_items(SKY), done=1)
    for app in (visit("grid"), visit("grid", grid=ident), visit("grid", grid="0123456789")):
        shown = [
            texts(app),
            *(w.label for kind in (app.button, app.text_area, app.number_input, app.toggle) for w in kind),
        ]
        shown += [str(getattr(w, "help", "")) for kind in (app.button, app.text_area, app.number_input) for w in kind]
        main = " ".join(shown).replace("**Study**", "")
        assert not re.search(r"\b(study|plan|studies)\b", main, re.IGNORECASE)
    assert "not on this machine" in texts(app) and "grid" not in app.query_params


def test_grids_are_listed_on_their_own_page_and_open_in_findings(visit):
    first = grid_made_up.grid(pasted_items(f"**{SKY}**"))
    second = grid_made_up.grid(pasted_items("Why?"))
    app = fine(visit("grid", grid=second))
    assert sum(f"grid={first}" in link for link in links(app)) == 1
    assert sum("findings" in link and second in link for link in links(app)) == 1
    assert "There is no study yet" in texts(
        fine(visit("study").segmented_control(key="study_view").set_value("all").run())
    )
    app = fine(visit("findings", study=second))
    assert any("Grid: Why?" in option for box in app.selectbox for option in box.options)


def test_a_file_counts_instead_of_the_box(visit):
    app = fine(visit("grid"))
    app.text_area(key="grid_text").set_value("Not this")
    upload = app.get("file_uploader")[0]
    upload.set_value([("p.csv", b"prompt,reference\nOne,1\nTwo,2,3\n", "text/csv")])
    app = app.run()
    assert "1 prompts of p.csv" in texts(app) and "Line 3" in app.warning[0].value


def test_failed_answers_say_why_and_are_tried_again(visit, busy):
    ident = grid_made_up.grid(pasted_items("One\nTwo"))
    study = Study(ident)
    cell_store.fail_cell(study.db, database.query_rows(study.db, "SELECT * FROM cells")[0], "It is <b>too</b> long.")
    app = fine(visit("grid", grid=ident))
    data = table(app)
    assert data["models"][0]["lines"][-1] == "1 failed"
    assert [a["error"] for row in data["rows"] for a in row["cells"][0]["answers"]].count("It is <b>too</b> long.") == 1
    fine(app.button(key="grid_go").click().run())
    assert jobs().all()[-1].key == f"study {ident}"
    study.close()


def clicked(app, cell):
    app.session_state["grid_opened"] = cell
    return app.run()


def test_a_click_opens_the_stored_run_and_leads_back(visit, keep):
    ident = grid_made_up.grid(pasted_items(SKY), answers=("It is blue.",))
    run = keep(made_up.run(answer="It is blue."))
    study = Study(ident)
    cell = study.db.execute("SELECT cell FROM cells").fetchone()["cell"]
    assert study.request(cell).id == run
    app = clicked(fine(visit("grid", grid=ident)), cell)
    assert app.query_params["run"] == run and not app.exception
    app = fine(app.switch_page("pages/explore.py").run())
    assert any("Back to Grid" in link and ident in link for link in links(app))


def test_a_run_that_is_not_stored_is_computed_again(visit, busy):
    ident = grid_made_up.grid(pasted_items(SKY))
    study = Study(ident)
    cell = study.db.execute("SELECT cell FROM cells").fetchone()["cell"]
    assert not store.has_run(study.request(cell).id)
    clicked(fine(visit("grid", grid=ident)), cell)
    assert jobs().all()[-1].key == f"open {ident} {cell}"


def test_deleting_takes_it_away(visit):
    ident = grid_made_up.grid(pasted_items(SKY))
    app = fine(visit("grid", grid=ident))
    app = fine(app.button(key="grid_delete").click().run())
    assert not list_studies() and "grid" not in app.query_params and not app.warning


@pytest.mark.slow
def test_a_large_grid_is_drawn_whole(visit):
    """30 prompts x 4 models x 3 samples."""
    text = "\n".join(f"Answer in one word: what color is thing {n}?\tblue" for n in range(30))
    answers = [" ".join(f"word{n}{k}" for n in range(50)) for k in range(5)]
    ident = grid_made_up.grid(pasted_items(text), ("a", "b", "c", "d"), 3, answers)
    app = fine(visit("grid", grid=ident))
    rows = table(fine(app.run()))["rows"]
    assert len(rows) == 30 and all(len(row["cells"]) == 4 for row in rows)
