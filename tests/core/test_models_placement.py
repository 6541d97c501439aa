"""Tests of models whose layers lie in several places, or whose weights are made smaller while loading.

Without a GPU the second place is the disk: the same hooks fetch a layer's weights when it runs.
"""

import gc

import numpy as np
import pytest
import torch

from core.capture import capture, make_request
from core.errors import ModelError
from core.models import load_model, placement
from core.models.load import unload_models
from core.models.value_norms import find_grams
from core.probe import attribute, knock_out, switch_off
from core.records import Part
from core.settings import models_path
from tests.core import models_made_up as made_up

pytestmark = pytest.mark.slow

PROMPT = "Which word did it read?"
CLOSE = 1e-6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = made_up.tiny_llama(hidden_size=64, intermediate_size=96, num_hidden_layers=4)
    return made_up.save_model(tmp_path_factory.mktemp("placed") / "tiny", made)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    unload_models()
    yield
    unload_models()


def spread_model(folder, monkeypatch):
    monkeypatch.setenv("HEED_CPU_GB", "0.00025")
    return load_model(str(folder), device="auto")


def read(model, **settings):
    return capture(model, make_request(model.key, PROMPT, answer="That one.", raw=True, **settings))


def test_a_model_on_several_places_gives_the_same_numbers(folder, monkeypatch):
    plain, spread = load_model(str(folder)), spread_model(folder, monkeypatch)
    places = set(spread.hf.hf_device_map.values())
    assert places == {"cpu", "disk"} and spread.hf.device.type == "cpu"
    assert any("on several devices: " in n and "on disk" in n for n in spread.ref.notes)
    assert spread.ref.attention == "dispatch" and spread.ref.parameters == plain.ref.parameters
    one, two = read(plain, keep="components"), read(spread, keep="components")
    assert np.abs(one.logprobs - two.logprobs).max() <= CLOSE
    assert np.array_equal(one.rows.packed, two.rows.packed) and np.abs(one.mass - two.mass).max() <= CLOSE
    assert two.norms.shape[2] > 0 and np.array_equal(one.norms, two.norms)
    assert np.abs(one.components.mlp_write - two.components.mlp_write).max() <= CLOSE
    assert two.components.lens_logprobs.shape == (5, two.steps)
    written = [capture(m, make_request(m.key, PROMPT, max_new_tokens=5, raw=True)) for m in (plain, spread)]
    assert written[0].token_ids.tolist() == written[1].token_ids.tolist()


def test_what_runs_the_model_again_works_there_too(folder, monkeypatch):
    plain, spread = load_model(str(folder)), spread_model(folder, monkeypatch)
    one, two = read(plain), read(spread)
    hidden = [knock_out(m, t) for m, t in ((plain, one), (spread, two))]
    assert np.nanmax(np.abs(hidden[0].effect - hidden[1].effect)) <= CLOSE
    parts = [Part("head", 3, 1), Part("mlp", 2)]
    off = [switch_off(m, t, parts) for m, t in ((plain, one), (spread, two))]
    assert np.abs(off[0].effect - off[1].effect).max() <= CLOSE
    slopes = [attribute(m, t, "input-x-gradient") for m, t in ((plain, one), (spread, two))]
    assert np.abs(slopes[0].values - slopes[1].values).max() <= 1e-5


def test_what_was_laid_on_the_disk_goes_with_the_model(folder, monkeypatch):
    model = spread_model(folder, monkeypatch)
    assert list(models_path().glob("offload-*"))
    del model
    unload_models()
    gc.collect()
    assert not list(models_path().glob("offload-*"))


def test_the_embedding_must_fit(folder, monkeypatch):
    monkeypatch.setenv("HEED_CPU_GB", "0.000001")
    with pytest.raises(ModelError, match=r"Not even the embedding of tiny fits.*HEED_CPU_GB higher"):
        load_model(str(folder), device="auto")


@pytest.mark.parametrize(("dtype", "allowed"), [("8-bit", 0.05), ("4-bit", 0.5)])
def test_a_model_in_fewer_bits(folder, dtype, allowed):
    plain, small = load_model(str(folder)), load_model(f"{folder} as {dtype}")
    assert small.ref.attention == "dispatch" and f" · {dtype} · " in small.ref.caption
    assert small.ref.parameters == plain.ref.parameters
    assert any(f"in {dtype[0]} bits" in note for note in small.ref.notes)
    linear = small.hf.model.layers[0].self_attn.o_proj
    assert not linear.weight.is_floating_point()
    found, whole = placement.dense_weight(linear), plain.hf.model.layers[0].self_attn.o_proj.weight
    assert (found - whole).norm() <= allowed * whole.norm()
    one, two = read(plain), read(small)
    assert one.request.id != two.request.id
    shares = two.rows.weights(slice(None)).sum(-1)
    assert np.abs(shares - 1).max() < 1e-2 and np.isfinite(two.logprobs).all()
    assert two.norms.shape == one.norms.shape and two.norms.shape[2] > 0


def test_weights_in_4_bits_are_the_same_on_processors_for_which_they_would_be_packed(folder, monkeypatch):
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    unload_models()
    linear = load_model(f"{folder} as 4-bit").hf.model.layers[0].mlp.down_proj
    before = placement.dense_weight(linear).clone()
    with torch.no_grad():
        linear(torch.randn(3, linear.in_features, dtype=torch.bfloat16))
    assert torch.equal(placement.dense_weight(linear), before)
    unload_models()


@pytest.mark.parametrize("dtype", ["8-bit", "4-bit"])
def test_checks_multiply_by_the_whole_weights(folder, dtype):
    small = load_model(f"{folder} as {dtype}").hf
    linear = small.model.layers[0].mlp.down_proj
    given = torch.randn(3, linear.in_features, dtype=torch.bfloat16)
    with torch.no_grad(), placement.whole_weights(small):
        exact = linear(given)
    wanted = given @ placement.dense_weight(linear).to(given.dtype).T
    assert torch.equal(exact, wanted) and "forward" not in linear.__dict__
    assert set(find_grams(small)) == {0, 1, 2, 3}
