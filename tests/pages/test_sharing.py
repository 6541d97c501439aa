"""Tests of sharing on the pages: the column and the button of Runs, the switch of Study and Grid, what others see."""

import pytest

from core import people, store
from core.errors import StoreError
from core.people import Belonging, person_of, viewing
from core.records import Item
from core.study import Study
from pages.parts.rate.rating_desk import open_database
from pages.parts.runs_table import shared_column
from pages.parts.sharing import shared_words
from tests.pages import grid_made_up, made_up
from tests.pages.conftest import fine, texts
from tests.pages.test_sign_in import ANNA, BEN, gate, said, visit_as  # noqa: F401  fixtures

HERS, HIS = person_of(ANNA), person_of(BEN)


@pytest.fixture
def run():
    with viewing(HERS):
        return store.save_run(made_up.run("Hello?"))


@pytest.fixture
def grid():
    with viewing(HERS):
        return grid_made_up.grid((Item("1", "t", prompt="Where is Quibblewick?"),), answers=("Quibblewick!",))


def actions(ids, person):
    """A page with the actions below the table, for these ticked runs, as a person."""
    from core import store
    from core.people import viewing
    from pages.parts.runs_table import _actions

    with viewing(person):
        _actions([info for info in store.find_runs() if info.id in ids])


@pytest.fixture
def ticked():
    from streamlit.testing.v1 import AppTest

    return lambda ids, person: AppTest.from_function(actions, args=(ids, person), default_timeout=30).run()


def test_a_run_is_shared_and_no_more(run, ticked):
    app = fine(ticked([run], HERS))
    assert app.button(key="share").label == "Share"
    fine(app.button(key="share").click().run())
    with viewing(HIS):
        assert store.has_run(run) and shared_column([run]) == {"Shared": ["by Anna Bell"]}
    with viewing(HERS):
        assert shared_column([run]) == {"Shared": ["by you"]}
    fine(app.run())
    assert app.button(key="share").label == "Stop sharing"
    fine(app.button(key="share").click().run())
    with viewing(HIS):
        assert not store.has_run(run)


def test_a_run_that_somebody_shares_can_be_opened_and_not_deleted(run, ticked):
    with viewing(HERS):
        people.share_with_all("run", run)
    app = fine(ticked([run], HIS))
    labels = {button.label for button in app.button}
    assert "Open" in labels and not labels & {"Share", "Yes, delete"}
    assert "Only whoever shares a run can delete it or end that." in texts(app)


def test_without_sign_in_there_is_no_column_and_no_button(ticked):
    run = store.save_run(made_up.run("Hello?"))
    app = fine(ticked([run], None))
    assert shared_column([run]) == {} and "Share" not in {button.label for button in app.button}
    assert "Yes, delete" in {button.label for button in app.button}


def test_a_study_is_shared_by_its_switch(visit_as, grid):  # noqa: F811
    app = fine(visit_as(ANNA, "study", study=grid))
    assert not app.toggle(key=f"share_{grid}").value
    fine(app.toggle(key=f"share_{grid}").set_value(True).run())
    assert app.toggle(key=f"share_{grid}").value
    other = fine(visit_as(BEN, "study", study=grid))
    assert "Anna Bell shares this" in texts(other)
    keys = {button.key for button in other.button}
    assert "study_again" in keys and not keys & {"study_really", "study_retry", "study_resume"}
    assert not [one for one in other.toggle if one.key == f"share_{grid}"]
    assert said(visit_as(BEN, "grid", grid=grid))
    fine(app.toggle(key=f"share_{grid}").set_value(False).run())
    assert "There is no study" in texts(visit_as(BEN, "study", study=grid))


def test_a_shared_grid_has_nothing_that_would_change_it(visit_as, grid):  # noqa: F811
    with viewing(HERS):
        people.share_with_all("study", grid)
    keys = {button.key for button in fine(visit_as(BEN, "grid", grid=grid)).button}
    assert not keys & {"grid_delete", "grid_go"}
    assert "grid_delete" in {button.key for button in fine(visit_as(ANNA, "grid", grid=grid)).button}
    with viewing(HERS):
        Study(grid).delete()


def test_words_of_a_belonging():
    assert shared_words(None) == shared_words(Belonging(True, False, "")) == ""
    assert shared_words(Belonging(False, True, "")) == "with all"
    assert shared_words(Belonging(True, True, "Ben")) == "by Ben"
    assert shared_words(Belonging(True, True, "Ben", True)) == "by you"


def test_nobody_rates_in_another_s_name(visit_as, grid):  # noqa: F811
    with viewing(HERS):
        people.share_with_all("study", grid)
    app = fine(visit_as(BEN, "rate", study=grid))
    assert f"You rate as Ben · {HIS.key[:4]}" in texts(app) and not app.text_input
    assert "0 of 1 answers rated" in str(app.get("progress")[0].proto)


def test_a_study_that_is_shared_no_more_is_rated_no_more(grid):
    folder = str(Study(grid).folder)
    with viewing(HIS), pytest.raises(StoreError, match="not here any more"), open_database(folder):
        pass
    with viewing(HERS), open_database(folder) as db:
        assert db.execute("SELECT count(*) FROM cells").fetchone()[0] == 1
