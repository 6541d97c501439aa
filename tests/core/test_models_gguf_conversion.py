"""Tests of GGUF conversion: equal values, done once, and nothing left by an interrupted one."""

import json

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file

from core.errors import ModelError
from core.models import converted_check, fetch_process, load_model, paths
from core.models import gguf_conversion as converting
from core.models.download_worker import download_model
from core.models.gguf_conversion import convert_gguf
from core.models.load import unload_models
from tests.core import models_made_up as made_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("convert")


@pytest.fixture(autouse=True)
def models(home, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(home / "models"))
    yield
    unload_models()


def quiet(what, done, total):
    pass


def converted(home, head):
    path = home / f"{head}.gguf"
    if not path.exists():
        made_up.write_gguf(path, head)
    return path, convert_gguf(path, made_up.sha256(path), "float32", quiet)


@pytest.mark.parametrize(("head", "tied"), [("none", True), ("equal", True), ("own", False)])
def test_values_are_those_of_the_file_and_equal_tensors_are_stored_once(home, head, tied):
    path, folder = converted(home, head)
    tensors = {t.name: np.array(t.data) for t in gguf.GGUFReader(path).tensors}
    stored = load_file(folder / "model.safetensors")
    assert np.array_equal(stored["model.embed_tokens.weight"], tensors["token_embd.weight"])
    assert np.array_equal(stored["model.layers.1.mlp.down_proj.weight"], tensors["blk.1.ffn_down.weight"])
    assert ("lm_head.weight" not in stored) == tied
    if not tied:
        assert np.array_equal(stored["lm_head.weight"], tensors["output.weight"])
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is tied
    assert "quantization_config" not in (folder / "config.json").read_text()


def test_the_tied_model_writes_with_its_embedding(home):
    import torch

    path, _ = converted(home, "equal")
    hf = load_model(str(path)).hf
    assert hf.get_output_embeddings().weight.data_ptr() == hf.get_input_embeddings().weight.data_ptr()
    one, _ = converted(home, "none")
    ids = torch.tensor([[3, 4, 5, 6]])
    assert torch.equal(hf(ids).logits, load_model(str(one)).hf(ids).logits)


def test_it_is_done_once(home):
    path, folder = converted(home, "none")
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert converted(home, "none")[1] == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_end_tokens_and_description(home):
    path, _ = converted(home, "none")
    model = load_model(str(path))
    assert set(model.hf.generation_config.eos_token_id) == {2, 0}
    assert model.ref.quantisation == "F32" and model.ref.context == 64 and model.ref.has_template
    assert model.ref.source == f"file {path}" and model.ref.label == "none"


def test_an_interrupted_conversion_leaves_nothing_and_can_be_repeated(home, monkeypatch):
    path = made_up.write_gguf(home / "again.gguf", "own", llama__extra=7)
    sha = made_up.sha256(path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(converting, "_tie_if_equal", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_gguf(path, sha, "float32", quiet)
    assert not [p for p in (paths.models_path() / "converted").iterdir() if sha in p.name]
    monkeypatch.undo()
    monkeypatch.setenv("HEED_MODELS", str(home / "models"))
    (paths.models_path() / "converted" / f".{sha}-left").mkdir()
    assert paths.is_converted(convert_gguf(path, sha, "float32", quiet))
    assert not list((paths.models_path() / "converted").glob(".*"))


def test_a_folder_without_its_note_is_made_again(home):
    path, folder = converted(home, "own")
    (folder / "heed.json").unlink()
    (folder / "model.safetensors").write_bytes(b"half")
    assert load_file(converted(home, "own")[1] / "model.safetensors")


def test_a_damaged_converted_model_is_made_again_on_load(home, monkeypatch):
    """In this process; in one of its own, as always, it is made again below."""
    path, folder = converted(home, "own")
    monkeypatch.setattr(fetch_process, "fetch", lambda name, dtype=None, **_: download_model(name, dtype, quiet))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    model = load_model(str(path))
    assert model.ref.parameters == 35232 and load_file(weights)


def test_a_full_disk_is_one_sentence(home, monkeypatch):
    path = made_up.write_gguf(home / "full.gguf", "own", llama__extra=8)
    monkeypatch.setattr(converting.shutil, "disk_usage", lambda _: converting.shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(ModelError, match="needs about 50 MB on the disk of .* and 0 MB are free: free some space"):
        convert_gguf(path, made_up.sha256(path), "float32", quiet)


def test_a_gguf_that_lacks_a_tensor(home):
    path = home / "lacks.gguf"
    made_up.write_gguf(path, "own", llama__extra=9)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"blk.1.ffn_down.weight", b"blk.1.ffn_dawn.weight"))
    with pytest.raises(ModelError, match="lacks 1 tensor of"):
        convert_gguf(path, made_up.sha256(path), "float32", quiet)


def test_a_flipped_bit_is_noticed_at_the_next_start_and_mended(home, monkeypatch, caplog):
    path, folder = converted(home, "own")
    weights = folder / "model.safetensors"
    intact = weights.read_bytes()
    load_model(str(path))
    weights.write_bytes(intact[:-5] + bytes([intact[-5] ^ 4]) + intact[-4:])
    unload_models()
    converted_check._checked.clear()  # as after a start
    monkeypatch.setattr(fetch_process, "fetch", lambda *a, **b: (_ for _ in ()).throw(ModelError("No network: try.")))
    with pytest.raises(ModelError, match=r"damaged on disk: fetch it again.*That did not work: No network"):
        load_model(str(path))
    monkeypatch.undo()
    monkeypatch.setenv("HEED_MODELS", str(home / "models"))
    load_model(str(path))
    assert weights.read_bytes() == intact and "It is converted again" in caplog.text
