"""Tests of what is kept of waiting runs: written and read whole, damaged or foreign names give nothing, old ones go."""

import os
import stat
import time

import pytest

from core.jobs.waiting_runs import drop_waiting, keep_waiting, waiting_request
from core.records import Message, ModelKey, Request

TOKEN = "0123456789abcdef" * 2
ASKED = Request(
    ModelKey("small", "0" * 64), messages=(Message("user", "What color\ud800 is the sky?"),), seed=3, temperature=0.7
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


def test_a_request_comes_back_as_it_was_until_it_is_dropped(home):
    assert waiting_request(TOKEN) is None
    keep_waiting(TOKEN, ASKED)
    assert waiting_request(TOKEN) == ASKED
    assert [path.name for path in (home / "waiting").iterdir()] == [f"{TOKEN}.json"], "nothing temporary stays"
    drop_waiting(TOKEN)
    drop_waiting(TOKEN)
    assert waiting_request(TOKEN) is None and not list((home / "waiting").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_only_the_owner_may_read_or_list_them(home):
    (home / "waiting").mkdir(mode=0o777)  # made by an earlier version
    keep_waiting(TOKEN, ASKED)
    assert stat.S_IMODE((home / "waiting").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "waiting" / f"{TOKEN}.json").stat().st_mode) == 0o600


def test_an_address_may_hold_anything(home):
    (home / "secret.json").write_text("{}")
    for name in ("", "../secret", "x" * 32, TOKEN.upper(), TOKEN + "\n", "%2e%2e/secret"):
        assert waiting_request(name) is None
        keep_waiting(name, ASKED)
        drop_waiting(name)
    assert [path.name for path in home.iterdir()] == ["secret.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type": "Request"}', "null", "[" * 100_000])
def test_a_damaged_file_is_none(home, text):
    keep_waiting(TOKEN, ASKED)
    (home / "waiting" / f"{TOKEN}.json").write_text(text)
    assert waiting_request(TOKEN) is None


def test_what_nobody_came_back_for_goes(home):
    keep_waiting("f" * 32, ASKED)
    week = time.time() - 8 * 86400
    os.utime(home / "waiting" / f"{'f' * 32}.json", (week, week))
    keep_waiting(TOKEN, ASKED)
    assert waiting_request("f" * 32) is None and waiting_request(TOKEN) == ASKED


def test_a_home_that_cannot_be_written_stops_nothing(home):
    (home / "waiting").write_text("in the way")
    keep_waiting(TOKEN, ASKED)
    assert waiting_request(TOKEN) is None


def test_a_flipped_bit_fills_no_other_form(home):
    keep_waiting(TOKEN, ASKED)
    path = home / "waiting" / f"{TOKEN}.json"
    path.write_bytes(path.read_bytes().replace(b"sky", b"sjy"))
    assert waiting_request(TOKEN) is None
