"""Tests that work on a stranger's bytes ends: in its result, in a sentence, or at a limit of time or memory."""

import os
import signal

import pytest

from core import ended_process
from core.ended_process import EndedEarly, run_ended
from core.errors import PromptError
from core.study.table_limits import parquet_as_feather
from core.text.document_text import pdf_pages
from core.text.spreadsheet_text import guard_cell
from tests.core.fuzz_doors import pdf


def test_bytes_and_hostile_arguments_come_back():
    assert b"A fact" in run_ended(pdf_pages, pdf(), "a.pdf")
    assert run_ended(parquet_as_feather, b"no Parquet") == b""


@pytest.mark.parametrize("name", ["\ud800 \0.pdf", "-x.pdf", '"; rm -rf /'])
def test_an_expected_failure_is_raised_here(name):
    with pytest.raises(PromptError) as told:
        run_ended(pdf_pages, b"%PDF-1.4 nothing", name)
    assert str(told.value).startswith(f"{name} cannot be read as a PDF")


def test_a_child_that_breaks_off_is_told_from_one_that_is_ended():
    with pytest.raises(EndedEarly) as told:
        run_ended(guard_cell, b"x")  # it takes no bytes
    assert told.value.why == "crash"


@pytest.mark.parametrize(
    ("signed", "why"), [(signal.SIGXCPU, "time"), (signal.SIGKILL, "time"), (signal.SIGSEGV, "crash")]
)
def test_signals_of_the_system(signed, why, monkeypatch):
    code = f"import os, sys; sys.stdin.buffer.read(); os.kill(os.getpid(), {int(signed)})"
    monkeypatch.setattr(ended_process, "module_command", lambda *_: [os.sys.executable, "-c", code])
    with pytest.raises(EndedEarly) as told:
        run_ended(pdf_pages, b"x")
    assert told.value.why == why


LOOP = """
def work(data):
    while True:
        pass
"""
GROW = """
def work(data):
    return b"x" * (1 << 34)
"""


@pytest.mark.parametrize(("source", "why"), [(LOOP, "time"), (GROW, "memory")])
def test_time_and_memory_are_limited(source, why, monkeypatch, tmp_path):
    """The child calls ``work`` of a module that only it finds in the package."""
    (tmp_path / "made_up.py").write_text(source)
    start = f"import sys, core; core.__path__.append({str(tmp_path)!r}); from core import ended_process; ended_process.main(sys.argv[1:])"
    monkeypatch.setattr(ended_process, "module_command", lambda _, *more: [os.sys.executable, "-c", start, *more])

    def work(data):
        return data

    work.__module__ = "core.made_up"
    with pytest.raises(EndedEarly) as told:
        run_ended(work, b"", seconds=1, memory=2 << 30)
    assert told.value.why == why
