"""Tests of the memory estimate by hand-computed parts, and of the refusal before a model too large is loaded."""

import sys

import pytest

from core.errors import ModelError
from core.models import memory_estimate
from core.models.catalogue import CATALOGUE
from tests.core import models_made_up as made_up


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))


def test_the_parts_of_an_estimate(tmp_path):
    path = made_up.write_gguf(tmp_path / "x.gguf")
    need = memory_estimate.estimate_memory(str(path), 10, 5)
    assert need.weights == 4 * (260 * 32 + 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 64))
    assert need.cache == 2 * 2 * 1 * 16 * 15 * 4  # keys and values, layers, key heads, width, tokens, float32
    assert need.rows == 2 * (2 * 2) * 5 * 14 + 4 * 2 * 5 * 14
    assert need.total == need.weights + need.cache + need.rows and need.fits
    assert memory_estimate.estimate_memory(str(path), 10, 5, dtype="bfloat16").weights * 2 == need.weights


def test_weights_are_known_before_fetching():
    entry = CATALOGUE["qwen3-1.7b"]
    need = memory_estimate.estimate_memory("qwen3-1.7b", 100, 100)
    assert need.weights == 2 * entry.parameters and need.cache == need.rows == 0


def test_too_big_is_one_sentence_with_a_remedy():
    with pytest.raises(
        ModelError, match=r"Big needs about 4\.2 GB of memory in float32 and 3\.0 GB are free.*bfloat16 \(about 2"
    ):
        memory_estimate.check_memory("Big", 10**9, "float32", free=3 * 10**9)
    with pytest.raises(
        ModelError, match=r"HEED_DEVICE=auto, which leaves the rest on the disk .*, or pick a smaller model\."
    ):
        memory_estimate.check_memory("Big", 10**9, "bfloat16", free=10**8)
    memory_estimate.check_memory("Small", 10**6, "float32", free=10**9)


def test_free_memory_is_what_this_process_may_use():
    import psutil

    assert 0 < memory_estimate.available_memory() <= psutil.virtual_memory().total


def test_free_memory_of_a_gpu_is_asked_of_the_driver_where_torch_is_not_imported(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 1024\necho 2048\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert memory_estimate.free_on("cuda") == 1 << 30 and memory_estimate.free_on("cuda:1") == 2 << 30
    assert memory_estimate.free_on("cuda:2") == 0
    monkeypatch.setenv("HEED_GPU_GB", "0.5")
    monkeypatch.setenv("HEED_CPU_GB", "1")
    assert memory_estimate.free_on("auto") == 2 * 500_000_000 + min(10**9, memory_estimate.available_memory())
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert memory_estimate.free_on("cuda") == 0
