"""Tests of what belongs to whom: owning, sharing, giving up, and a file that is damaged or not there."""

import sqlite3

import pytest

from core import people
from core.errors import StoreError
from core.people import NO_ONE, Person, viewing
from core.settings import home_path

ANNA, BEN = Person("a" * 32, "Anna"), Person("b" * 32, "Ben")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


def take(person, ident, existed=False):
    with viewing(person):
        people.take_ownership("run", ident, existed)


def sees(person, ident):
    with viewing(person):
        told = people.visible_ids("run")
        assert told is None or (ident in told) == people.may_see("run", ident)
        return people.may_see("run", ident)


def test_without_sign_in_everything_is_seen_and_nothing_is_written():
    people.take_ownership("run", "x")
    assert people.may_see("run", "x") and people.is_owner("run", "x") and people.visible_ids("run") is None
    assert not (home_path() / "people.sqlite").exists()


def test_what_is_taken_is_seen_by_that_person_alone():
    take(ANNA, "x")
    assert (sees(ANNA, "x"), sees(BEN, "x"), sees(NO_ONE, "x"), sees(None, "x")) == (True, False, False, True)
    assert not sees(ANNA, "y")


def test_kinds_are_apart():
    take(ANNA, "x")
    with viewing(ANNA):
        assert not people.may_see("study", "x")


def test_who_did_not_sign_in_owns_and_sees_nothing():
    take(NO_ONE, "x")
    with viewing(NO_ONE):
        people.share_with_all("run", "x")
    people.share_with_all("run", "shipped")
    assert not sees(NO_ONE, "x") and not sees(NO_ONE, "shipped") and not sees(ANNA, "x") and sees(ANNA, "shipped")


def test_sharing_shows_it_to_all_and_says_by_whom():
    take(ANNA, "x")
    with viewing(BEN):
        people.share_with_all("run", "x")  # not his
    assert not sees(BEN, "x")
    with viewing(ANNA):
        people.share_with_all("run", "x")
    assert sees(BEN, "x")
    with viewing(BEN):
        assert people.belongings_of("run")["x"] == people.Belonging(False, True, "Anna")
        assert not people.is_owner("run", "x") and people.belonging_ids("run") == frozenset()
        assert not people.give_up("run", "x")
    with viewing(ANNA):
        people.take_ownership("run", "x")  # asked again: it stays shared
        assert people.belongings_of("run")["x"] == people.Belonging(True, True, "", True)
        people.share_with_all("run", "x", False)
    assert not sees(BEN, "x") and sees(ANNA, "x")


def test_files_go_when_nobody_is_left():
    take(ANNA, "x")
    take(BEN, "x", existed=True)
    with viewing(ANNA):
        assert not people.give_up("run", "x")
    assert not sees(ANNA, "x") and sees(BEN, "x")
    with viewing(BEN):
        assert people.give_up("run", "x")


def test_what_was_there_before_stays_with_the_machine():
    take(ANNA, "x", existed=True)
    with viewing(ANNA):
        assert not people.give_up("run", "x")
    assert not sees(ANNA, "x") and sees(None, "x")


def test_what_is_made_again_without_sign_in_is_the_machine_s_too():
    take(ANNA, "x")
    take(None, "x", existed=True)
    with viewing(ANNA):
        assert not people.give_up("run", "x")


def test_the_machine_deletes_for_all():
    take(ANNA, "x")
    assert people.give_up("run", "x") and not sees(ANNA, "x")


def test_the_machine_shares_what_belongs_to_nobody():
    people.share_with_all("run", "x")
    with viewing(ANNA):
        assert people.belongings_of("run") == {"x": people.Belonging(False, True, "")}
        people.take_ownership("run", "y")
    assert people.owned_ids("run") == {"y"}


@pytest.mark.parametrize("change", ["shared = 1", "person = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'", "ident = 'y'"])
def test_a_line_changed_on_disk_shows_nothing(change):
    take(ANNA, "x")
    with sqlite3.connect(home_path() / "people.sqlite") as db:
        db.execute(f"UPDATE belongings SET {change}")
    assert not sees(BEN, "x") and not sees(BEN, "y")


def test_a_damaged_file_is_told_and_shows_nothing():
    take(ANNA, "x")
    (home_path() / "people.sqlite").write_bytes(b"no database at all" * 100)
    with viewing(ANNA), pytest.raises(StoreError, match="puts back a copy"):
        people.may_see("run", "x")
    assert sees(None, "x")


def test_a_file_without_a_table_is_empty():
    (home_path() / "people.sqlite").touch()
    assert not sees(ANNA, "x")
