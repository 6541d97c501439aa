"""Tests that a configuration that names code, kernels or absurd sizes is refused before anything is built from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModelError, is_panic
from core.models import load
from core.models.compatibility import check_path
from core.models.config_limits import MOST, check_settings, check_sizes
from core.models.file_metadata import FileMetadata
from core.models.load import load_model
from core.models.token_count import count_tokens
from tests.core import models_made_up


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    return models_made_up.save_model(tmp_path / "tiny", models_made_up.tiny_llama())


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"_attn_implementation": "evil/kernel"}, "asks for the kernel 'evil/kernel'"),
        ({"text_config": {"attn_implementation": "evil/kernel@main:fn"}}, "asks for the kernel"),
        ({"attn_implementation": {"": "sdpa", "text_config": "evil/kernel"}}, "asks for the kernel"),
        ({"encoder": {"auto_map": {"AutoModel": "evil.Model"}}}, "brings its own code"),
        ({"trust_remote_code": True}, "run code of its own"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000"),
        ({"decoder": {"n_head": [2, 10**6]}}, "n_head = 1000000"),
        ({"vocab_size": 10**12}, "vocab_size"),
        ({"hidden_size": -5}, "hidden_size = -5"),
        ({"max_position_embeddings": float("inf")}, "max_position_embeddings = inf"),
    ],
)
def test_a_setting_is_refused_in_words(folder, setting, words):
    change(folder, **setting)
    with pytest.raises(ModelError, match=words):
        check_path(folder)


@pytest.mark.parametrize("way", ["eager", "sdpa", "flash_attention_2", None, {"": "sdpa"}])
def test_the_librarys_own_ways_are_not_refused(way):
    check_settings({"_attn_implementation": way, "num_hidden_layers": 126, "vocab_size": 262_144}, "a model")


def test_a_configuration_far_larger_than_its_weights_is_refused(folder):
    check_path(folder)
    change(folder, num_hidden_layers=1000, hidden_size=4096, intermediate_size=11_008)
    with pytest.raises(ModelError, match="describes a model of some 45,"):
        check_path(folder)


def test_models_that_share_their_layers_are_not_refused():
    albert = FileMetadata(parameters=223_000_000, layers=12, embedding=30_000 * 4096)
    check_sizes(albert, {"hidden_size": 4096, "intermediate_size": 16_384}, "albert-xxlarge")


@given(st.recursive(st.integers() | st.floats() | st.text() | st.none(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from([*MOST, "_attn_implementation", "auto_map", "text_config", "other"]), x), max_leaves=12))  # fmt: skip
def test_whatever_stands_there_is_passed_or_refused(value):
    try:
        check_settings({"num_hidden_layers": value, "text_config": value}, "a model")
    except ModelError as error:
        assert str(error).endswith(".")


def test_a_panic_of_a_tokenizer_becomes_a_sentence(folder, monkeypatch):
    class PanicException(BaseException):
        pass

    def panics(*_):
        raise PanicException("index out of bounds")

    assert is_panic(PanicException()) and not is_panic(KeyboardInterrupt())
    monkeypatch.setattr(load, "_read", panics)
    with pytest.raises(ModelError, match="could not be loaded"):
        load_model(str(folder))
    monkeypatch.setattr("core.models.token_count._tokenizer", panics)
    assert count_tokens(str(folder), ["a"]) is None
    monkeypatch.setattr("core.models.token_count._tokenizer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        count_tokens(str(folder), ["a"])
