"""Tests of time estimates: the work of a knock-out counted by hand, a guess labelled as one, a measurement followed."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from core.models import load
from core.probe.time_estimate import (
    attribution_tokens,
    duration_text,
    estimate_attribution,
    estimate_probe,
    estimate_request,
    estimate_switch_off,
    estimate_time,
    estimate_writing,
    switched_tokens,
    tokens_anew,
)
from core.records import Message, Part, Probe, all_heads
from core.records.attribution import POINTS
from core.speeds import note_speed
from tests.core import charts_made_up as made


@pytest.fixture(autouse=True)
def in_memory(monkeypatch, tmp_path):
    """The model is loaded, so that an estimate is that of the work alone."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setattr(load, "loaded_models", lambda: [made.trace().request.model])


def columns(tr):
    return made.units(tr, list(range(tr.prompt_length)))


def note(tr, kind, work, seconds):
    note_speed(tr.request.model, tr.model.parameters, kind, work, seconds)


def test_a_variant_costs_the_tokens_from_the_first_that_is_hidden():
    tr = made.trace()
    total, units = len(tr.tokens) - 1, columns(tr)
    one = np.zeros((1, len(units)), bool)
    one[0, [3, 5]] = True
    for mode in ("mask", "remove"):
        assert tokens_anew(tr, units, one, mode) == total + total - 3 - 2, "nobody reads what is hidden"
    every = np.eye(len(units), dtype=bool)
    assert tokens_anew(tr, units, every) == total + sum(total - i - 1 for i in range(len(units)))
    windowed = replace(tr, model=replace(tr.model, windows=(4,) * tr.model.layers))
    for run, mode in ((tr, "mask"), (tr, "remove"), (windowed, "mask"), (windowed, "remove")):
        assert tokens_anew(run, units, np.arange(len(units)), mode) == tokens_anew(run, units, every, mode)
    assert tokens_anew(windowed, units, one) == 2 * total, "without a plain cache everything is computed anew"


def test_a_guess_is_called_a_guess_and_grows_with_the_work():
    tr = made.trace()
    few, many = estimate_time(tr, 10), estimate_time(tr, 1000)
    assert not few.measured and "a guess" in few.text and many.seconds == pytest.approx(100 * few.seconds)
    large = dataclasses.replace(tr, model=dataclasses.replace(tr.model, parameters=10**10))
    assert estimate_time(large, 10).seconds > 50 * few.seconds


def test_after_one_measurement_the_time_follows_the_work():
    tr = made.trace()
    units = columns(tr)
    note(tr, "variants", tokens_anew(tr, units, np.eye(len(units), dtype=bool)), 30.0)
    found = estimate_probe(tr, units)
    assert found.measured and found.text == "about 30 s"
    note(tr, "read", len(tr.tokens), 0.5)
    assert estimate_time(tr, 12).seconds == pytest.approx(6)
    note(tr, "prompt", tr.prompt_length, 1.0)
    assert not estimate_writing(tr, 3).measured, "a part of it is still a guess"
    note(tr, "write", tr.steps, 2.0)
    assert estimate_writing(tr, 3).text == "about 9 s"


def test_what_a_stopped_knock_out_has_computed_is_not_counted():
    tr = made.trace()
    units = columns(tr)
    note(tr, "variants", 100, 100.0)
    logprobs = np.zeros((len(units), tr.steps), np.float32)
    half = Probe(
        tr.id, units, np.eye(len(units), dtype=bool), logprobs, logprobs[0], "mask", parameters={"scored": [0, 1]}
    )
    whole, rest = estimate_probe(tr, units), estimate_probe(tr, units, partial=half)
    total = len(tr.tokens) - 1
    assert whole.seconds - rest.seconds == pytest.approx(total - 1 + total - 2)
    assert rest.text.endswith(f": 2 of {len(units)} are there from last time")


def test_an_attribution_counts_its_points_and_ends_at_its_word():
    tr = made.trace()
    assert attribution_tokens(tr, "integrated-gradients") == POINTS * (len(tr.tokens) - 1)
    assert attribution_tokens(tr, "input-x-gradient", 2) == tr.prompt_length + 2
    note(tr, "rollout", len(tr.tokens) - 1, 4.0)
    assert estimate_attribution(tr, "rollout").text == "about 4 s"


def test_a_request_counts_its_characters_and_the_tokens_that_it_asks_for():
    tr = made.trace()
    note(tr, "prompt", 100, 1.0)
    note(tr, "write", 100, 10.0)
    long = replace(tr.request, messages=(Message("user", "word" * 70),), segments=(), max_new_tokens=200)
    assert estimate_request(long, tr.model.parameters).seconds == pytest.approx(1 + 20)


def test_a_model_that_is_not_in_memory_is_loaded_first(monkeypatch):
    tr = made.trace()
    note(tr, "read", len(tr.tokens), 0.5)
    note(tr, "load", 1, 7.0)
    note(tr, "first load", 1, 7.0)
    monkeypatch.setattr(load, "loaded_models", list)
    assert estimate_time(tr, 2).text == "about 8 s"


def test_durations():
    assert [duration_text(s) for s in (0.2, 42, 120, 7200)] == ["1 s", "42 s", "2 min", "2.0 h"]


def test_a_part_costs_the_layers_from_its_own_on():
    tr = made.trace()
    layers, total = tr.model.layers, len(tr.tokens) - 1
    assert switched_tokens(tr, []) == total and switched_tokens(tr, [Part("mlp", 0)]) == 2 * total
    last = switched_tokens(tr, [Part("unit", layers - 1, 5)])
    assert last == pytest.approx(total * (1 + 1 / layers))
    heads = all_heads(tr.model)
    note(tr, "switched off", switched_tokens(tr, heads), 30)
    assert estimate_switch_off(tr, heads).measured and estimate_switch_off(tr, heads).seconds == pytest.approx(30)
    assert estimate_switch_off(tr, heads[:1]).seconds < 30
