"""Tests of what is told before a model is loaded: memory, what is free, time, and the remedy where it does not fit."""

import pytest

from core.models import estimate_load, load_estimate, resolve
from core.speeds import note_speed
from tests.core import models_made_up as made_up


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    return made_up.save_model(tmp_path / "tiny", made_up.tiny_llama())


def test_what_loading_takes(folder, monkeypatch):
    monkeypatch.setattr(load_estimate, "free_on", lambda device: 14_000_000_000)
    monkeypatch.setattr(load_estimate, "first_load", lambda: False)
    guess = estimate_load(str(folder))
    assert guess.fits and not guess.time.measured and guess.sentence.endswith(" to load, a guess")
    for _ in range(3):
        note_speed(resolve(str(folder)), made_up.tiny_llama().num_parameters(), "load", 1, 20.0)
    found = estimate_load(str(folder))
    assert found.time.measured and found.need == int(made_up.tiny_llama().num_parameters() * 4 * 1.05)
    assert found.sentence.startswith("about ") and found.sentence.endswith("14.0 GB free; about 20 s to load")
    half = estimate_load(str(folder), dtype="bfloat16")
    assert half.need * 2 == pytest.approx(found.need, abs=2) and not half.time.measured
    assert estimate_load(f"{folder} as bfloat16").need == half.need


def test_what_does_not_fit_is_told_with_the_remedy(folder, monkeypatch):
    whole = estimate_load(str(folder)).need
    monkeypatch.setattr(load_estimate, "free_on", lambda device: whole * 2 // 3)
    found = estimate_load(str(folder))
    assert not found.fits and "load it as bfloat16" in found.advice
    assert estimate_load(str(folder), dtype="bfloat16").fits
    assert estimate_load(str(folder), device="auto").fits  # what is left stays on the disk


def test_a_gpu_that_is_too_small_may_be_helped_by_the_processor(folder, monkeypatch):
    monkeypatch.setattr(load_estimate, "free_on", lambda device: 0)
    assert "HEED_DEVICE=auto, which lays the rest into the processor's memory" in estimate_load(
        str(folder), device="cuda"
    ).advice  # fmt: skip


def test_a_model_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    assert estimate_load("org/never-here").sentence == ""
    large, small = estimate_load("qwen3-1.7b"), estimate_load("qwen3-1.7b as 4-bit")
    assert 0 < small.need * 3 < large.need
