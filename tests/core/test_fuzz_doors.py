"""Tests each door of a stranger's input on a few hostile inputs, and on all on which one failed before.

``make fuzz`` tries thousands. The watch and the checks are shown an offender each.
"""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.errors import PromptError
from tests.core import fuzz_doors
from tests.core.fuzz_doors import DOORS, Arena, Door, try_door
from tests.core.fuzz_inputs import TAG, changed_bytes, changed_plain
from tests.core.fuzz_watch import watched

SLOW = {"address", "model loaded"}
"""Doors that are tried by ``make test`` and not by ``make check``."""


@pytest.fixture
def arena(tmp_path, monkeypatch):
    made = Arena.at(tmp_path / "arena")
    monkeypatch.setenv("HEED_HOME", str(made.folder / "home"))
    monkeypatch.setenv("HEED_MODELS", str(made.folder / "models"))
    return made


def of_doors(*, slow):
    return [name for name in DOORS if (name in SLOW) is slow]


def few(door, arena):
    """Tries what failed once, then a few inputs that are the same at every run."""
    for value in door.kept:
        try_door(door, value, arena)
    once = settings(
        max_examples=door.few, derandomize=True, database=None, phases=(Phase.generate,), deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    once(given(door.inputs())(lambda value: try_door(door, value, arena) and None))()


@pytest.mark.parametrize("name", of_doors(slow=False))
def test_a_door_refuses_in_a_sentence_or_gives_what_holds(name, arena):
    few(DOORS[name], arena)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_doors(slow=True))
def test_a_door_that_takes_long(name, arena):
    few(DOORS[name], arena)


def test_what_is_drawn_differs_from_what_it_was_made_of():
    plain, data = {"a": [1, {"b": "c"}], "d": None}, bytes(range(64))
    seen = set()

    @settings(max_examples=30, derandomize=True, database=None, phases=(Phase.generate,))
    @given(st.tuples(changed_plain(plain), changed_bytes(data)))
    def draw(made):
        seen.add(repr(made[0]) != repr(plain) or made[1] != data)

    draw()
    assert True in seen and plain == {"a": [1, {"b": "c"}], "d": None}


def outside(value, arena):
    (arena.folder / "written").write_text("x")


def bait(value, arena):
    (arena.folder / "secret.json").read_text()


def system_file(value, arena):
    open("/etc/passwd").close()


def process(value, arena):
    subprocess.run(["true"], check=False)


def shell(value, arena):
    os.system("true")


def pickled(value, arena):
    import pickle

    pickle.loads(pickle.dumps(Arena))  # noqa: S301


def removed_below(value, arena):
    handle = os.open(arena.folder, os.O_RDONLY)
    try:
        os.remove("secret.json", dir_fd=handle)
    finally:
        os.close(handle)


@pytest.mark.parametrize("act", [outside, bait, system_file, process, shell, pickled, removed_below])
def test_the_watch_sees_what_a_try_does_beside(act, arena):
    with pytest.raises(AssertionError):
        try_door(Door("", st.none, act), None, arena)


def test_the_watch_lets_a_try_use_its_own_folders(arena):
    def enter(value, where):
        where.file("mine").write_text("x")
        where.file("mine").unlink()

    assert try_door(Door("", st.none, enter), None, arena) == "accepted"
    with watched(arena.folder, arena.folder) as seen:
        (arena.folder / "secret.json").read_text()
    assert not seen.seen


@pytest.mark.parametrize(
    "said", ["", "no end", "Traceback (most recent call last): x.", "x" * 3000 + ".", "<a object at 0x7f>."]
)
def test_what_is_no_sentence_is_seen(said, arena):
    def enter(value, where):
        raise PromptError(said)

    with pytest.raises(AssertionError):
        try_door(Door("", st.none, enter), None, arena)


@pytest.mark.parametrize(
    "html", [f"<p><{TAG}>", '<img src="http://x">', "<b onclick=x>", '<iframe srcdoc="&lt;hx-evil&gt;">']
)
def test_markup_of_a_text_is_seen(html):
    fuzz_doors.no_markup("<p>&lt;hx-evil&gt;</p>")
    with pytest.raises(AssertionError):
        fuzz_doors.no_markup(html)


def test_formulas_and_expressions_are_seen():
    fuzz_doors.formula_free("a,b\n-5,'=1\n")
    with pytest.raises(AssertionError):
        fuzz_doors.formula_free("a,b\n1,=1+1\n")
    with pytest.raises(AssertionError):
        fuzz_doors.no_code_in_spec({"axis": {"labelExpr": f"datum == '{TAG}'"}})


def test_the_long_form_tells_a_failure_and_keeps_its_input(tmp_path, monkeypatch):
    from benchmarks import fuzz

    def enter(value, arena):
        assert len(value) < 3, "three letters"

    monkeypatch.setitem(DOORS, "made up", Door("", st.text, enter, kept=("ok",)))
    monkeypatch.setattr(fuzz, "_limits", lambda: None)
    for name in ("HEED_HOME", "HEED_MODELS", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    found = fuzz.tried("made up", 200, 1, tmp_path)
    assert found["failures"] == 1 and "three letters" in found["told"] and found["accepted"] > 0
    assert (tmp_path / "made-up.txt").read_text() == "'000'"
