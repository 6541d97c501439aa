"""Tests of the names of precisions, their sizes, and the sentence where a library is missing."""

import pytest

from core.errors import ModelError
from core.models import model_key, precision
from core.records import ModelKey
from tests.core import models_made_up as made_up


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    return made_up.save_model(tmp_path / "tiny", made_up.tiny_llama())


def test_a_precision_stands_behind_a_name():
    assert precision.split_precision(" org/name@v1 as 4-bit ") == ("org/name@v1", "4-bit")
    for name in ("smollm2", "as bfloat16", "org/name as int8", "x as bfloat16 y"):
        assert precision.split_precision(name) == (name, None)


def test_a_folder_may_be_called_so(tmp_path):
    own = tmp_path / "llama as 4-bit"
    own.mkdir()
    assert precision.split_precision(str(own)) == (str(own), None)


def test_every_precision_makes_a_key_of_its_own_that_its_name_leads_back_to(folder):
    keys = {dtype: model_key.resolve(f"{folder} as {dtype}") for dtype in precision.PRECISIONS}
    for dtype, key in keys.items():
        assert (key.name, key.dtype) == (str(folder), dtype)
        assert model_key.resolve(model_key.asked_name(key)) == key == model_key.resolve(key)
    assert len(set(keys.values())) == len(precision.PRECISIONS)
    assert model_key.asked_name(keys["float32"]) == str(folder)
    assert model_key.resolve(f"{folder} as 4-bit", dtype="float16") == keys["float16"]
    assert model_key.asked_name(ModelKey("org/never-here as 8-bit", "")) == "org/never-here as 8-bit"


def test_bytes_of_weights():
    assert precision.weight_bytes(1000, "float32") == 4000 and precision.weight_bytes(1000, "bfloat16") == 2000
    assert precision.weight_bytes(1000, "8-bit", 200) == 800 + 400
    assert precision.weight_bytes(1280, "4-bit", 0) == 1280 // 2 + 1280 // 64 * 4
    assert precision.weight_bytes(1000, "float32", 200) == 4000
    assert [precision.value_bytes(dtype) for dtype in precision.PRECISIONS] == [4, 2, 2, 2, 2]


def test_a_missing_library_is_one_sentence_with_the_remedy(folder, monkeypatch):
    from core.models import load_model

    assert precision.missing_library("bfloat16") == ""
    monkeypatch.setattr(precision, "find_spec", lambda name: None)
    with pytest.raises(
        ModelError, match=r"^8-bit needs the library bitsandbytes.*pip install .*, or load it as bfloat16"
    ):
        load_model(f"{folder} as 8-bit")


def test_notes_say_that_numbers_differ():
    assert precision.precision_note("float32") == ""
    assert "bfloat16: numbers differ from float32" in precision.precision_note("bfloat16")
    assert "in 4 bits by bitsandbytes" in precision.precision_note("4-bit")
