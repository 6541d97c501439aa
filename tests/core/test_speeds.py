"""Tests of measured speeds: a known pace comes back, one slow run changes little, and a guess is called a guess."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import speeds
from core.records import ModelKey
from core.speeds import KEPT_SPEEDS, SPEEDS_FILE, expected_time, note_speed

KEY, OTHER = ModelKey("a", "1" * 64), ModelKey("b", "2" * 64)
SIZE = 135_000_000


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


def test_a_measured_pace_comes_back():
    note_speed(KEY, SIZE, "variants", 1000, 10)
    found = expected_time(KEY, SIZE, "variants", 500)
    assert found.seconds == pytest.approx(5) and found.measured
    assert not expected_time(OTHER, SIZE, "variants", 500).measured, "that of another model is a guess"


def test_one_slow_run_changes_little():
    for seconds in (10, 11, 60, 9, 10):
        note_speed(KEY, SIZE, "variants", 1000, seconds)
    assert expected_time(KEY, SIZE, "variants", 1000).seconds == pytest.approx(10)


def test_work_of_about_the_same_size_decides():
    for work, pace in ((50, 0.01), (5000, 0.003)):
        for _ in range(speeds.NEAREST):
            note_speed(KEY, SIZE, "read", work, work * pace)
    assert expected_time(KEY, SIZE, "read", 60).seconds == pytest.approx(0.6)
    assert expected_time(KEY, SIZE, "read", 4000).seconds == pytest.approx(12)


def test_short_passes_say_nothing_of_long_work_where_a_long_one_was_seen():
    for work, seconds in ((42, 0.4), (35, 0.45), (47, 0.42), (1430, 4.9)):  # a page where somebody tried short prompts
        note_speed(KEY, SIZE, "read", work, seconds)
    assert expected_time(KEY, SIZE, "read", 30_000).seconds == pytest.approx(30_000 * 4.9 / 1430)
    assert expected_time(KEY, SIZE, "read", 40).seconds == pytest.approx(0.4, rel=0.2)


def test_the_latest_count_and_a_file_stays_small(home):
    for i in range(3 * KEPT_SPEEDS):
        note_speed(KEY, SIZE, "read", 100, 1 if i < KEPT_SPEEDS else 2)
    assert expected_time(KEY, SIZE, "read", 100).seconds == pytest.approx(2)
    (kept,) = speeds.without_seal(json.loads((home / SPEEDS_FILE).read_text())).values()
    assert len(kept["read"]) == KEPT_SPEEDS


def test_what_was_not_measured_follows_the_size_of_the_model():
    note_speed(KEY, SIZE, "write", 64, 3.2)
    twice = expected_time(OTHER, 2 * SIZE, "write", 64)
    assert twice.seconds == pytest.approx(6.4) and not twice.measured
    note_speed(KEY, SIZE, "variants", 1000, 4)
    back = expected_time(KEY, SIZE, "integrated-gradients", 1000)
    assert back.seconds == pytest.approx(12) and not back.measured, "three passes a token"


@pytest.mark.parametrize("kind", ["load", "first load", "write", "read", "variants", "integrated-gradients", "rollout"])
def test_without_any_measurement_there_is_a_guess_that_grows_with_the_model(kind):
    small, large = (expected_time(KEY, n, kind, 100) for n in (SIZE, 10 * SIZE))
    assert 0 < small.seconds < large.seconds and not small.measured


def test_two_precisions_and_devices_are_kept_apart():
    note_speed(KEY, SIZE, "read", 100, 1)
    for other in (ModelKey("a", "1" * 64, "bfloat16"), ModelKey("a", "1" * 64, "float32", "cuda")):
        assert not expected_time(other, SIZE, "read", 100).measured


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"read": [[0, 1]]}}', '{"a": {"read": [["x"]]}}'])
def test_a_damaged_file_is_measured_anew(home, text):
    (home / SPEEDS_FILE).write_text(text)
    assert not expected_time(KEY, SIZE, "read", 10).measured
    note_speed(KEY, SIZE, "read", 10, 1)
    os.utime(home / SPEEDS_FILE, ns=(1, 1))  # even where a clock stands still
    assert expected_time(KEY, SIZE, "read", 10).measured


def test_nothing_is_raised_where_nothing_can_be_kept(home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("HEED_HOME", str(home / "file" / "below"))
    note_speed(KEY, SIZE, "read", 10, 1)
    assert expected_time(KEY, SIZE, "read", 10).seconds > 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1e-3, 1e4)), min_size=1, max_size=12), st.floats(1, 1e6))
def test_an_estimate_lies_between_the_paces_that_were_seen(seen, work):
    paces = [seconds / done for done, seconds in seen]
    found = speeds._pace([list(one) for one in seen], work)
    assert min(paces) * (1 - 1e-9) <= found <= max(paces) * (1 + 1e-9)


def test_work_of_several_kinds_is_known_only_where_it_was_measured():
    assert np.isnan(expected_time(KEY, SIZE, "cells", 64).seconds)
    note_speed(KEY, SIZE, "cells", 64, 4)
    assert expected_time(KEY, SIZE, "cells", 128).seconds == pytest.approx(8)


def test_a_flipped_bit_makes_no_other_estimate(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    key = ModelKey("m", "f" * 64)
    speeds.note_speed(key, 1000, "write", 5, 0.5)
    assert speeds.expected_time(key, 1000, "write", 5).measured
    path = tmp_path / speeds.SPEEDS_FILE
    path.write_bytes(path.read_bytes().replace(b"0.5", b"4.5"))
    speeds._parsed.cache_clear()
    assert not speeds.expected_time(key, 1000, "write", 5).measured
