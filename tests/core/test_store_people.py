"""Tests that the store shows a person own runs, texts and studies and what others share, and nothing else exists."""

import json

import pytest

from core import people, store
from core.errors import StoreError
from core.people import Person, viewing
from core.records import Item
from core.study import Plan, Study, database, list_studies
from core.study.plan_store import put_plan
from tests.core.test_store_maps_files import reading
from tests.pages import made_up

ANNA, BEN = Person("a" * 32, "Anna"), Person("b" * 32, "Ben")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def run():
    """The id of a run of Anna's, with a name."""
    with viewing(ANNA):
        ident = store.save_run(made_up.run("Where is Quibblewick?"))
        store.name_run(ident, "Quibblewick's own")
    return ident


@pytest.fixture
def study():
    plan = Plan("Quibblewick", ("some-model",), ("plain",), items=(Item("1", "t", prompt="Where is Quibblewick?"),))
    with viewing(ANNA):
        made = Study(plan)
        made.close()
    return made


def everything_about(run):
    """What each reading function says of a run."""
    return (
        store.load_run(run), store.open_run(run), store.has_run(run), store.run_stamp(run), store.run_origin(run),
        store.has_rows(run), store.has_components(run), store.full_run_id(run), store.full_run_id(run[:10]),
        store.load_probe(run, "word", "mask"), store.load_attribution(run, "gradient"), store.find_runs(),
        store.find_runs("Quibblewick"), store.count_found(), store.store_usage()[0],
    )  # fmt: skip


def test_a_run_of_another_person_is_as_if_it_were_not_there(run):
    with viewing(BEN):
        assert everything_about(run) == everything_about("0" * 64)
        for change in (lambda: store.name_run(run, "x"), lambda: store.star_run(run)):
            with pytest.raises(StoreError, match="There is no stored run"):
                change()
        assert store.delete_runs([run]) == 0
    with viewing(ANNA):
        assert None not in everything_about(run)[:9] and store.find_runs("Quibblewick")[0].name == "Quibblewick's own"
    assert store.load_run(run) is not None and [info.id for info in store.find_runs()] == [run]


def test_a_shared_run_is_seen_and_stays_its_owner_s(run):
    with viewing(ANNA):
        people.share_with_all("run", run)
    with viewing(BEN):
        assert store.load_run(run) is not None and [(i.id, i.name) for i in store.find_runs()] == [(run, "")]
        store.name_run(run, "Ben's word for it")
        assert store.find_runs()[0].name == "Ben's word for it" and store.delete_runs([run]) == 0
    with viewing(ANNA):
        assert store.find_runs()[0].name == "Quibblewick's own"
        people.share_with_all("run", run, False)
    with viewing(BEN):
        assert store.find_runs() == [] and store.load_run(run) is None


def test_two_who_ask_the_same_own_the_same_and_delete_their_own(run):
    with viewing(BEN):
        store.save_run(made_up.run("Where is Quibblewick?"))
        assert [info.name for info in store.find_runs()] == [""]
        assert store.delete_runs([run]) == 1 and store.find_runs() == []
    with viewing(ANNA):
        assert store.find_runs()[0].name == "Quibblewick's own" and store.delete_runs([run]) == 1
    assert not store.has_run(run)


def test_a_file_gives_its_opener_the_run_and_others_nothing(home):
    trace = made_up.run("From a file?")
    with viewing(BEN):
        assert store.import_run(trace) and store.has_run(trace.id)
    with viewing(ANNA):
        assert not store.has_run(trace.id)


def test_what_was_stored_before_is_nobody_s_until_the_machine_shares_it():
    old = store.save_run(made_up.run("Before sign-in?"))
    with viewing(ANNA):
        assert store.find_runs() == []
    people.share_with_all("run", old)
    with viewing(ANNA):
        assert [info.id for info in store.find_runs()] == [old] and store.delete_runs([old]) == 0
    assert store.delete_runs([old]) == 1


def test_shipped_examples_are_everybody_s(home, root):
    from core.store.example_runs import import_examples

    before = import_examples(root / "examples")
    with viewing(ANNA):
        assert not any(map(store.has_run, before))
        assert import_examples(root / "examples") == before and all(map(store.has_run, before))
        assert store.delete_runs(before) == 0
    with viewing(BEN):
        assert all(map(store.has_run, before))
    with viewing(people.NO_ONE):
        assert not any(map(store.has_run, before))


def test_what_was_damaged_is_told_to_nobody_who_signed_in(run, home):
    for file in (home / "runs" / run).glob("*.json"):
        file.write_bytes(b"x")
    with viewing(BEN):
        assert store.open_run(run) is None
    with viewing(ANNA), pytest.raises(StoreError, match="damaged"):
        store.open_run(run)
    with viewing(BEN):
        assert store.set_aside_paths() == []
    assert store.set_aside_paths()


def test_a_text_of_another_person_is_as_if_it_were_not_there():
    with viewing(ANNA):
        ident = store.save_maps(reading())
        assert store.has_maps(ident) and store.load_maps(ident) is not None
    with viewing(BEN):
        assert not store.has_maps(ident) and store.load_maps(ident) is None and store.store_usage()[0] == 0


def test_a_study_of_another_person_is_as_if_it_were_not_there(study):
    with viewing(BEN):
        assert list_studies() == []
        for what in (study.id, study.id[:8], study.folder, str(study.folder), ""):
            with pytest.raises(StoreError, match="There is no study"):
                Study(what)
    with viewing(ANNA):
        assert [known.id for known in list_studies()] == [study.id]
    assert [known.id for known in list_studies()] == [study.id]


def test_the_same_plan_is_a_study_for_each():
    plan = Plan("Same", ("some-model",), ("plain",), items=(Item("1", "t", prompt="Hello?"),))
    ids = []
    for person in (ANNA, BEN, ANNA, None):
        with viewing(person):
            made = Study(plan)
            made.close()
            ids.append(made.id)
    assert ids[0] == ids[2] and len(set(ids[:2])) == 2


def test_no_path_of_the_server_is_opened_for_a_person(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"name": "x"}))
    with viewing(BEN):
        for what in (plan, tmp_path):
            with pytest.raises(StoreError, match="There is no study"):
                Study(what)


def test_a_shared_study_is_read_and_not_changed(study):
    with viewing(ANNA):
        people.share_with_all("study", study.id)
    with viewing(BEN):
        shared = Study(study.id)
        assert shared.items() and shared.status().total == 1
        for change in (
            lambda: database.put_note(shared.db, "name", "mine"),
            lambda: put_plan(shared.db, shared.plan),
            shared.retry,
            shared.run,
        ):
            with pytest.raises(StoreError, match="omebody else shares this study"):
                change()
        with pytest.raises(StoreError, match="omebody else"):
            shared.delete()
    with viewing(ANNA):
        own = Study(study.id)
        database.put_note(own.db, "name", "Anna's")
        own.delete()
        assert list_studies() == []


def test_what_anybody_starred_loses_its_rows_last(monkeypatch, home):
    with viewing(ANNA):
        first = store.save_run(made_up.run("First?"))
        store.star_run(first)
    with viewing(BEN):
        second = store.save_run(made_up.run("Second?"))
    sizes = {info.id: info.bytes for info in store.find_runs()}
    monkeypatch.setenv("HEED_STORE_GB", f"{(sum(sizes.values()) - 1) / 1e9:.12f}")
    assert store.evict_rows() > 0
    assert store.has_rows(first) and not store.has_rows(second)


def test_the_limit_of_the_store_is_that_of_everybody_s_runs(monkeypatch):
    with viewing(ANNA):
        for number in range(3):
            store.save_run(made_up.run(f"{number}?"))
    monkeypatch.setenv("HEED_STORE_GB", "0.00001")
    with viewing(BEN):
        assert store.evict_rows() > 0
