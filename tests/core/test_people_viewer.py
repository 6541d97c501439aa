"""Tests of who looks: everybody by default, a person for a block or a job, and persons from an identity provider."""

import sys
import threading

import pytest

from core.people import NO_ONE, Person, ask_viewer, own_folder, person_of, viewer, viewing
from core.settings import home_path

ANNA, BEN = Person("a" * 32, "Anna"), Person("b" * 32, "Ben")
CLAIMS = {"iss": "https://id.example", "sub": "7", "name": "Anna  \n Bell", "email": "Anna@Lab.org"}


@pytest.fixture
def asked(monkeypatch):
    """A function that says who looks, until the test ends; then whoever asked before asks again."""
    monkeypatch.setattr(sys.modules[Person.__module__], "_asked", [lambda: None])
    return ask_viewer


def test_everybody_looks_where_nobody_says_otherwise():
    assert viewer() is None and own_folder() == home_path()


def test_a_block_is_for_a_person_and_ends(asked):
    asked(lambda: BEN)
    assert viewer() == BEN
    with viewing(ANNA):
        assert viewer() == ANNA and own_folder() == home_path() / "people" / ANNA.key
        with viewing(None):
            assert viewer() is None
    assert viewer() == BEN


def test_a_block_says_nothing_of_other_threads(asked):
    asked(lambda: NO_ONE)
    seen = []
    with viewing(ANNA):
        thread = threading.Thread(target=lambda: seen.append(viewer()))
        thread.start()
        thread.join()
    assert seen == [NO_ONE]


def test_a_person_is_issuer_and_subject_whatever_the_name():
    anna = person_of(CLAIMS)
    assert anna.name == "Anna Bell" and len(anna.key) == 32
    assert person_of(CLAIMS | {"name": "Other", "email": "x@y.z"}).key == anna.key
    assert person_of(CLAIMS | {"iss": "https://other.example"}).key != anna.key
    assert person_of(CLAIMS | {"sub": "8"}).key != anna.key
    assert person_of({"iss": "https://id.example", "sub": "7"}).name == "7"


@pytest.mark.parametrize(
    "claims", [{}, {"iss": "x"}, {"sub": "x"}, {"iss": "", "sub": "7"}, {"iss": None, "sub": None}]
)
def test_claims_that_name_nobody_are_nobody(claims):
    assert person_of(claims) == NO_ONE


@pytest.mark.parametrize(
    ("allowed", "more", "may"),
    [
        (["anna@lab.org"], {"email_verified": True}, True),
        (["@lab.org"], {"email_verified": True}, True),
        (["7"], {}, True),
        (["@lab.org"], {}, False),
        (["@lab.org"], {"email_verified": False}, False),
        (["@lab.org"], {"email_verified": "true"}, False),
        (["@lab.org"], {"email": "anna@evil-lab.org", "email_verified": True}, False),
        (["@lab.org"], {"email": "anna@lab.org@evil.org", "email_verified": True}, False),
        (["ben@lab.org"], {"email_verified": True}, False),
        (["8"], {"email": "8", "email_verified": True}, False),
        ([], {"email_verified": True}, False),
    ],
)
def test_only_who_is_named_may_sign_in(allowed, more, may):
    assert (person_of(CLAIMS | more, allowed) != NO_ONE) is may
