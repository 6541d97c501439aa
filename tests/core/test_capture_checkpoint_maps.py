"""Checkpoints of a model in training: found in order, read one after another, and what is wrong is told."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from core.capture.checkpoint_maps import checkpoint_folders, read_checkpoints
from core.errors import Cancelled, CaptureError, HeedError, ModelError, PromptError
from core.models import load_model
from core.models.load import loaded_models, unload_models
from scripts.train_induction_model import make_model, words_tokenizer
from tests.core.models_made_up import save_model, tiny_config

TEXT = "the red fox found the red key."


def save(folder, seed=0):
    torch.manual_seed(seed)
    tokenizer = words_tokenizer()
    make_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Three checkpoints beside what training leaves else."""
    folder = tmp_path_factory.mktemp("training")
    for seed, name in enumerate(("checkpoint-1000", "checkpoint-20", "checkpoint-300")):
        save(folder / name, seed)
    (folder / "runs").mkdir()
    (folder / "checkpoint-40").mkdir()  # killed while it was saved
    (folder / "checkpoint-40" / "config.json").write_text("{}")
    (folder / "log.json").write_text("{}")
    return folder


def test_checkpoints_come_in_natural_order(training):
    names = [name for name, _ in checkpoint_folders(training)]
    assert names == ["checkpoint-20", "checkpoint-300", "checkpoint-1000"]
    assert checkpoint_folders(str(training))[0][1] == (training / "checkpoint-20").resolve()


def test_what_training_ended_with_comes_last(training, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(training / "checkpoint-20", folder / "epoch_2")
    shutil.copytree(training / "checkpoint-20", folder / "epoch_10")
    for file in (training / "checkpoint-1000").iterdir():
        shutil.copy(file, folder)
    assert [name for name, _ in checkpoint_folders(folder)] == ["epoch_2", "epoch_10", "model (end)"]


def test_nothing_to_read_is_told(training, tmp_path):
    with pytest.raises(ModelError, match="There is no folder"):
        checkpoint_folders(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"no checkpoint in .*: it needs folders such as checkpoint-500"):
        checkpoint_folders(tmp_path)
    with pytest.raises(PromptError, match="empty"):
        read_checkpoints(training, "  ")


def test_other_shapes_and_tokenizers_are_told(training, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(training / "checkpoint-20", folder / "step-1")
    shutil.copytree(training / "checkpoint-20", folder / "step-2")
    config = json.loads((folder / "step-2" / "config.json").read_text())
    (folder / "step-2" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 5}))
    with pytest.raises(ModelError, match=r"step-2 is of another shape than step-1 \(num_hidden_layers 5, not 2\)"):
        checkpoint_folders(folder)
    (folder / "step-2" / "config.json").write_text(json.dumps(config))
    file = folder / "step-2" / "tokenizer.json"
    file.write_text(file.read_text().replace("▁fox", "▁fix"))
    with pytest.raises(ModelError, match="step-2 has another tokenizer than step-1"):
        checkpoint_folders(folder)


def test_every_checkpoint_reads_the_text_as_eager_does(training):
    told = []
    found = read_checkpoints(training, TEXT, lambda fraction, text, stream=None: told.append((fraction, text)))
    assert [name for name, _ in found] == ["checkpoint-20", "checkpoint-300", "checkpoint-1000"]
    assert told[1] == (1 / 3, "Reading with checkpoint-300 (2 of 3)")
    from transformers import AutoModelForCausalLM

    for name, maps in found:
        hf = AutoModelForCausalLM.from_pretrained(training / name, attn_implementation="eager")
        ids = words_tokenizer()(TEXT, return_tensors="pt").input_ids
        with torch.no_grad():
            expected = torch.cat(hf(ids, output_attentions=True).attentions).numpy()
        assert np.abs(maps.values - expected).max() < 1e-5
        assert maps.causal and maps.offset == 0 and maps.source.startswith(name) and maps.request.text == TEXT
        assert maps.keys.texts == ("<s>", " the", " red", " fox", " found", " the", " red", " key", ".")
        assert maps.keys.special.tolist() == [True] + [False] * 8
    assert np.abs(found[0][1].values - found[1][1].values).max() > 1e-4


def test_models_are_dropped_but_for_those_that_were_there(training):
    unload_models()
    mine = load_model(str(training / "checkpoint-300")).key
    read_checkpoints(training, TEXT)
    assert loaded_models() == [mine]
    unload_models()


@pytest.mark.parametrize("family", ["bloom", "mistral"])
def test_windows_and_the_slow_path(family, tmp_path):
    extra = {"sliding_window": 5} if family == "mistral" else {"n_layer": 2, "n_head": 4}
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    save_model(tmp_path / "step-1", AutoModelForCausalLM.from_config(tiny_config(family, **extra)))
    [(_, maps)] = read_checkpoints(tmp_path, "Every token reads.")
    assert np.allclose(maps.values.sum(-1), 1, atol=1e-5)
    assert not maps.values[:, :, ~maps.map().readable].any()
    if family == "mistral":
        assert not np.tril(maps.values, -5).any() and np.tril(maps.values, -4).any()


def test_cancel_and_too_long_texts(training):
    told = []
    with pytest.raises(Cancelled):
        read_checkpoints(training, TEXT, lambda *step: told.append(step), lambda: len(told) == 2)
    assert len(told) == 2, "stopped while the second was read"
    with pytest.raises(Cancelled):
        read_checkpoints(training, TEXT, cancelled=lambda: True)
    with pytest.raises(CaptureError, match=r"checkpoint-20: The text has 402 tokens, .* at most 256 here: shorten"):
        read_checkpoints(training, "the key " * 200 + "fox")


def test_a_checkpoint_that_cannot_be_loaded_is_named(training, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(training / "checkpoint-20", folder / "step-1")
    (folder / "step-1" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(HeedError, match="^step-1: "):
        read_checkpoints(folder, TEXT)


def test_listing_needs_no_torch(training):
    code = (
        "import sys\nfrom core.capture.checkpoint_maps import checkpoint_folders\n"
        f"assert len(checkpoint_folders({str(training)!r})) == 3\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
