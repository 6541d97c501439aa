"""Tests of the models that Heed refuses: each refusal is one sentence with a remedy; files of tiny random models."""

import json
import shutil

import pytest

from core.errors import ModelError
from core.models.compatibility import check_architecture, check_path, kind_of, read_config
from tests.core import models_made_up as made_up


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """{family: folder} of tiny random models as save_pretrained writes them."""
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        BertLMHeadModel,
        BertModel,
        T5Config,
        T5ForConditionalGeneration,
    )

    root = tmp_path_factory.mktemp("saved")
    bert = {
        "vocab_size": 259,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    t5 = T5Config(vocab_size=259, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    models = {
        "llama": made_up.tiny_llama(),
        "bert": BertForMaskedLM(BertConfig(**bert)),
        "bert-model": BertModel(BertConfig(**bert)),
        "bert-decoder": BertLMHeadModel(BertConfig(**bert, is_decoder=True)),
        "t5": T5ForConditionalGeneration(t5),
    }
    return {name: made_up.save_model(root / name, model) for name, model in models.items()}


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved["llama"], tmp_path / "tiny")


def edit(path, **values):
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({k: v for k, v in (config | values).items() if v is not None}))


def refused(path, match):
    with pytest.raises(ModelError, match=match) as error:
        check_path(path)
        check_architecture(path)
    message = str(error.value)
    assert "\n" not in message and message.endswith((".", "first."))
    return message


def test_a_whole_folder_passes(folder, saved):
    for path in (folder, *saved.values()):
        check_path(path)
        check_architecture(path)


def test_the_kind_of_a_model_is_told_from_its_config(saved):
    kinds = {name: kind_of(read_config(path), name) for name, path in saved.items()}
    assert kinds == {
        "llama": "decoder", "bert": "encoder", "bert-model": "encoder", "bert-decoder": "decoder", "t5": "encdec"
    }  # fmt: skip


def test_no_such_folder(tmp_path):
    refused(tmp_path / "none", "There is no file or folder")


def test_a_folder_that_is_no_model(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    refused(tmp_path, "is no model folder")


def test_an_adapter(tmp_path):
    edit(tmp_path / "adapter_config.json", base_model_name_or_path="org/base")
    assert "org/base" in refused(tmp_path, "is an adapter")


def test_a_folder_of_ggufs_names_one(tmp_path):
    made_up.write_gguf(tmp_path / "a.gguf")
    assert "a.gguf" in refused(tmp_path, "holds GGUF files")


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"model_type": 3}', "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")]
)
def test_a_broken_config(folder, text):
    (folder / "config.json").write_text(text, encoding="latin-1")
    refused(folder, "cannot be read|names no model_type")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_never_run(folder, file):
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    edit(folder / file, auto_map={"AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.T", None]})
    refused(folder, "brings its own code")


def test_an_unknown_architecture(folder):
    edit(folder / "config.json", model_type="nonesuch")
    refused(folder, "'nonesuch', which is not part of transformers")


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8", "mxfp4"])
def test_quantised_weights_that_need_other_libraries(folder, method):
    edit(folder / "config.json", quantization_config={"quant_method": method})
    assert method in refused(folder, "needs extra libraries")


def test_pickles_are_refused_with_a_remedy(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "safetensors" in refused(folder, "pickle checkpoint")
    assert "safetensors" in refused(folder / "pytorch_model.bin", "pickle checkpoint")


def test_pickles_beside_safetensors_do_no_harm(folder):
    (folder / "pytorch_model.bin").write_bytes(b"x")
    check_path(folder)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, "holds no weights")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_weights_file(folder, keep):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    refused(folder, "cut off|damaged")


def test_a_missing_shard(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    edit(folder / "model.safetensors.index.json", weight_map=shards)
    refused(folder, "model-00002-of-00002.safetensors.*is missing")


def test_a_shard_outside_the_folder_is_not_read(folder, tmp_path):
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    edit(folder / "model.safetensors.index.json", weight_map={"a": "../outside.safetensors"})
    refused(folder, "is missing")


def test_no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    refused(folder, "has no tokenizer")


def test_only_the_weights_file_was_given(folder):
    refused(folder / "model.safetensors", "holds weights only")


@pytest.mark.parametrize("family", ["vit", "wav2vec2", "clip"])
def test_what_neither_writes_nor_reads_text(folder, family):
    edit(folder / "config.json", model_type=family)
    refused(folder, f"is neither a model that writes text nor an encoder of text .{family}.")


def test_an_encoder_decoder_of_sound(folder):
    edit(folder / "config.json", model_type="whisper")
    refused(folder, "is an encoder-decoder of something else than text .whisper.")


def test_a_text_file_called_gguf(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_text("hello")
    refused(path, "is no GGUF file")


def test_a_gguf_of_an_architecture_that_transformers_cannot_read(tmp_path):
    refused(made_up.write_gguf(tmp_path / "x.gguf", architecture="rwkv7"), "architecture 'rwkv7'")


def test_an_encoder_decoder_as_gguf(tmp_path):
    refused(made_up.write_gguf(tmp_path / "x.gguf", architecture="t5"), "is an encoder-decoder as GGUF")


def test_a_whole_gguf_passes(tmp_path):
    path = made_up.write_gguf(tmp_path / "x.gguf")
    check_path(path)
    assert check_architecture(path).architecture == "llama"
