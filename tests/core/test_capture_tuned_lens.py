"""Tests tuned lenses from files: identity translators are the logit lens, others are applied, wrong files are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.capture.tuned_lens import lens_path, read_tuned_lens
from core.errors import CaptureError
from core.models import load_model
from tests.core import models_made_up as made_up
from tests.core.run_unstored import run

LAYERS, WIDTH = 2, 16


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("lens") / "tiny"
    with made_up.alone(folder.parent):
        yield load_model(str(made_up.save_model(folder, made_up.tiny_llama())))


def saved(name: str, weight: float = 0.0, bias: float = 0.0, layers: int = LAYERS, width: int = WIDTH) -> Path:
    """A lens whose W is ``weight`` x identity and whose b is ``bias`` everywhere."""
    path = lens_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    each = {"weight": torch.eye(width) * weight, "bias": torch.full((width,), bias)}
    save_file({f"{i}.{part}": value.clone() for i in range(layers) for part, value in each.items()}, str(path))
    return path


def test_identity_translators_are_the_logit_lens(model: Any) -> None:
    plain = run(model, "abc", max_new_tokens=5, keep="components").components
    saved(model.key.name)
    tuned = run(model, "abc", max_new_tokens=5, keep="components").components
    assert plain.lens == "logit lens" and tuned.lens == "tuned lens tiny"
    assert np.allclose(plain.final_logprobs, tuned.final_logprobs, atol=1e-5)
    assert np.array_equal(plain.lens_ids, tuned.lens_ids)


def test_translators_move_every_layer_but_the_last(model: Any) -> None:
    plain = run(model, "abc", max_new_tokens=5, keep="components").components
    saved(model.key.name, weight=-0.5, bias=3.0)
    tuned = run(model, "abc", max_new_tokens=5, keep="components").components
    assert (np.abs(plain.final_logprobs[:-1] - tuned.final_logprobs[:-1]).max(1) > 1e-2).all()
    assert np.allclose(plain.final_logprobs[-1], tuned.final_logprobs[-1], atol=1e-5)
    hidden = torch.randn(4, WIDTH)
    lens = read_tuned_lens(model.key.name, LAYERS, WIDTH)
    assert lens is not None and torch.allclose(lens.translate(1, hidden), hidden * 0.5 + 3)


def test_where_a_lens_is_looked_for(home: Path) -> None:
    names = ("smollm2", "org/smollm2", "/models/smollm2")
    assert {lens_path(name) for name in names} == {home / "lenses" / "smollm2" / "params.safetensors"}
    assert read_tuned_lens("smollm2", LAYERS, WIDTH) is None


@pytest.mark.parametrize("wrong", [{"layers": 1}, {"width": 8}])
def test_a_lens_of_another_model_is_told(wrong: dict[str, int]) -> None:
    saved("tiny", **wrong)
    with pytest.raises(CaptureError, match="does not fit this model"):
        read_tuned_lens("tiny", LAYERS, WIDTH)


def test_a_damaged_lens_is_told() -> None:
    saved("tiny").write_bytes(b"no tensors")
    with pytest.raises(CaptureError, match="cannot be read"):
        read_tuned_lens("tiny", LAYERS, WIDTH)
