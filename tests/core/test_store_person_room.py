"""Tests of the limit of what one signed-in person keeps: what counts, and what is refused in one sentence."""

import pytest

from core import store
from core.errors import HeedError
from core.jobs import Jobs
from core.people import Person, share_with_all, viewing
from core.records import Item
from core.study import Plan, Study
from tests.core.test_store_maps_files import reading
from tests.pages import made_up

ANNA, BEN = Person("a" * 32, "Anna"), Person("b" * 32, "Ben")
TOLD = r"Your runs and studies take .* GB of the 1e-05 GB that one person may keep here: delete some"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setenv("HEED_PERSON_GB", "1e-5")
    return tmp_path


def plan(name):
    return Plan(name, ("some-model",), ("plain",), items=(Item("1", "t", prompt="Hello?"),), seeds=(len(name),))


def usage():
    return store.person_usage()[0]


def test_runs_texts_and_studies_count_for_their_owner(home):
    with viewing(ANNA):
        run = store.save_run(made_up.run("Hello?"))
        after_run = usage()
        assert after_run == sum(path.stat().st_size for path in (home / "runs" / run).iterdir())
        text = store.save_maps(reading())
        assert usage() - after_run == (home / "texts" / f"{text}.maps").stat().st_size
        share_with_all("run", run)
    with viewing(BEN):
        assert usage() == 0
        made = Study(plan("x"))
        made.close()
        assert usage() > 1000
    assert usage() == 0


def test_who_keeps_too_much_starts_nothing_more(home):
    queue = Jobs()
    with viewing(ANNA):
        store.save_run(made_up.run("Hello?"))
        for more in (
            lambda: queue.submit("run", lambda *_: None),
            lambda: store.import_run(made_up.run("Another?")),
            lambda: Study(plan("more")),
        ):
            with pytest.raises(HeedError, match=TOLD):
                more()
        assert not (home / "studies").exists() and store.count_found() == 1
        store.delete_runs([info.id for info in store.find_runs()])
        assert queue.submit("run", lambda *_: None).wait(10)
    with viewing(BEN):
        assert queue.submit("run", lambda *_: None).wait(10)


def test_without_sign_in_or_without_a_limit_nothing_is_refused(monkeypatch):
    store.save_run(made_up.run("Hello?"))
    store.check_person_room()
    monkeypatch.delenv("HEED_PERSON_GB")
    with viewing(ANNA):
        store.save_run(made_up.run("Hello?"))
        store.check_person_room()
        assert store.person_usage()[1] is None
