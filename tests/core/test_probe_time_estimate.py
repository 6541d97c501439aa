"""Tests of time estimates: a guess is labelled as one; after a measurement the time follows the work."""

import dataclasses

import numpy as np
import pytest

from core.probe import time_estimate as module
from core.probe.time_estimate import duration_text, estimate_time, remember_speed
from core.records import Probe
from tests.core import charts_made_up as made


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(module, "_SEEN", {})


def probe(tr, seconds):
    columns = made.units(tr, list(range(tr.prompt_length)))
    masks = np.eye(len(columns), dtype=bool)
    return Probe(tr.id, columns, masks, np.zeros((len(masks), tr.steps)), np.zeros(tr.steps), "mask", seconds=seconds)


def test_a_guess_is_called_a_guess_and_grows_with_the_work():
    tr = made.trace()
    few, many = estimate_time(tr, 10), estimate_time(tr, 1000)
    assert not few.measured and "a guess" in few.text and many.seconds > few.seconds
    large = dataclasses.replace(tr, model=dataclasses.replace(tr.model, parameters=10**10))
    assert estimate_time(large, 10).seconds > few.seconds + 10


def test_after_one_measurement_the_time_follows_the_work():
    tr = made.trace()
    one = probe(tr, 30.0)
    remember_speed(tr, one)
    found = estimate_time(tr, 2 * len(one.masks))
    assert found.measured and found.seconds == pytest.approx(61) and found.text == "about 61 s"


def test_a_probe_of_one_variant_teaches_nothing():
    tr = made.trace()
    columns = made.units(tr, list(range(tr.prompt_length)))
    one = Probe(
        tr.id,
        columns,
        np.eye(len(columns), dtype=bool)[:1],
        np.zeros((1, tr.steps)),
        np.zeros(tr.steps),
        "mask",
        seconds=9,
    )
    remember_speed(tr, one)
    assert not estimate_time(tr, 10).measured


def test_durations():
    assert [duration_text(s) for s in (0.2, 42, 120, 7200)] == ["1 s", "42 s", "2 min", "2.0 h"]
