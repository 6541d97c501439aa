"""Tests that a record of the log keeps classes and places, and no word of a visitor, unless that is allowed."""

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PromptError
from core.log.private_records import WITHHELD, PrivateRecord, error_name, private_traceback

SECRET = "zebra-7719"


@pytest.fixture(autouse=True)
def private(monkeypatch):
    monkeypatch.delenv("HEED_LOG_PROMPTS", raising=False)


def caught(fail):
    try:
        fail()
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def chain():
    try:
        try:
            {}[SECRET]
        except KeyError:
            raise ValueError(f"inside {SECRET}")
    except ValueError as error:
        raise PromptError(f"The prompt {SECRET!r} is too long: shorten it.") from error


def text_of(name, message, *values, error=None):
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = PrivateRecord(name, logging.WARNING, "/code/x.py", 7, message, values, info)
    return record, logging.Formatter("%(name)s %(message)s").format(record)


def test_a_traceback_keeps_classes_and_places_of_the_whole_chain():
    record, text = text_of("heed", "A job failed.", error=caught(chain))
    assert SECRET not in text and record.error == "PromptError from ValueError"
    assert [text.index(name) for name in ("KeyError: ", "ValueError: ", "PromptError from ValueError: ")] == sorted(
        text.index(name) for name in ("KeyError: ", "ValueError: ", "PromptError from ValueError: ")
    ), "what came first is told first"
    assert "in chain" in text and __file__ in text and text.count("and then") == 2


def test_an_exception_among_the_values_becomes_its_class():
    record, text = text_of("heed", "Run %s is damaged: %s", "ab12", caught(chain))
    assert text == "heed Run ab12 is damaged: PromptError from ValueError" and record.error


def test_a_file_name_of_the_system_is_left_out():
    error = caught(lambda: open(f"/nowhere/{SECRET}"))
    assert error_name(error) == "FileNotFoundError (No such file or directory)"
    assert SECRET not in private_traceback(error)


def test_other_libraries_keep_the_template_and_the_place():
    _, text = text_of("pypdf", "object %s is odd", SECRET)
    assert SECRET not in text and "object %s is odd" in text and WITHHELD in text
    _, text = text_of("pypdf", f"object {SECRET} is odd")
    assert SECRET not in text and "/code/x.py:7" in text
    assert text_of("streamlit.config", "no such option: %s", "x")[1] == "streamlit.config no such option: x"


@given(st.text(min_size=6), st.sampled_from(["heed", "pypdf", "streamlit.error_util"]))
def test_whatever_an_exception_says_stays_out(words, name):
    def fail():
        raise ValueError(words)

    error = caught(fail)
    error.add_note(words)
    _, plain = text_of(name, "It failed.", error=caught(lambda: (_ for _ in ()).throw(ValueError())))
    _, text = text_of(name, "It failed.", error=error)
    assert words not in text or words in plain or words in WITHHELD or words in open(__file__).read()


def test_a_long_chain_and_a_deep_stack_are_bounded():
    def deep(n):
        if n:
            deep(n - 1)
        raise ValueError(SECRET)

    error = caught(lambda: deep(sys.getrecursionlimit() // 4))
    for _ in range(30):
        later = ValueError(SECRET)
        later.__cause__, error = error, later
    told = private_traceback(error)
    assert told.count("Traceback") == 10 and len(told) < 20_000 and SECRET not in told


def test_all_of_it_is_there_where_that_is_allowed(monkeypatch):
    monkeypatch.setenv("HEED_LOG_PROMPTS", "1")
    assert text_of("heed", "A job failed.", error=caught(chain))[1].count(SECRET) >= 3
    assert text_of("pypdf", "object %s is odd", SECRET)[1] == f"pypdf object {SECRET} is odd"
