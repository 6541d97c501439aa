"""Tests of loading models: results, sharing between threads, refusals, and nothing left behind."""

import gc
import json
import os
import shutil
import threading
import weakref

import pytest
import torch

from core.capture import capture, make_request
from core.errors import Cancelled, ModelError
from core.jobs import Jobs
from core.models import load, load_model, loaded_models, model_key
from core.models.model_ref import context_of, window_of
from core.probe import attribute, knock_out, switch_off
from core.records import Part
from tests.core import models_made_up as made_up

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    load.unload_models()
    yield
    load.unload_models()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return made_up.save_model(tmp_path_factory.mktemp("m") / "tiny", made_up.tiny_llama())


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "tiny")


def save(tmp_path, family, **extra):
    from transformers import AutoConfig, AutoModelForCausalLM

    small = {"vocab_size": 259, "eos_token_id": 0, "pad_token_id": 0, "bos_token_id": 0}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **(small | extra)))
    return made_up.save_model(tmp_path / family, model)


def test_a_loaded_model(folder):
    said = []
    model = load_model(str(folder), progress=lambda what, done, total: said.append(what))
    assert set(said) == {"Loading"} and len(said) > 2, "each of the weights is told"
    assert not model.hf.training and model.hf.dtype == torch.float32
    assert not any(p.requires_grad for p in model.hf.parameters())
    ref = model.ref
    assert ref.key == model.key == model_key.resolve(str(folder)) and model_key.known_ref(model.key) == ref
    assert (ref.label, ref.family, ref.kind, ref.layers, ref.heads) == ("tiny", "llama", "decoder", 2, 2)
    assert (ref.attention, ref.attention_layers, ref.windows) == ("dispatch", (0, 1), (None, None))
    assert (ref.context, ref.quantisation, ref.has_template) == (64, "none", True)
    assert ref.parameters == sum(p.numel() for p in made_up.tiny_llama().parameters())
    assert ref.source == f"folder {folder}"


def test_weights_are_those_of_the_folder(folder):
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(load_model(str(folder)).hf(ids).logits, made_up.tiny_llama()(ids).logits)


def test_the_same_key_is_the_same_object(folder):
    model = load_model(str(folder))
    assert load_model(model.key) is model and loaded_models() == [model.key]
    other = load_model(str(folder), dtype="bfloat16")
    assert other is not model and other.hf.dtype == torch.bfloat16
    assert load_model(other.key) is other


def test_threads_that_ask_at_once_share_one_load(folder):
    found, barrier = [], threading.Barrier(4)

    def ask():
        barrier.wait()
        found.append(load_model(str(folder)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(found) == 4 and len({id(m) for m in found}) == 1


def test_the_least_recently_used_leaves_first(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "MOST_MODELS", 2)
    a, b, c = (str(shutil.copytree(saved, tmp_path / n)) for n in "abc")
    load_model(a), load_model(b), load_model(a), load_model(c)
    assert [key.name for key in loaded_models()] == [a, c]
    assert [load.is_in_memory(name) for name in (a, b, c, "another")] == [True, False, True, None]
    assert load.is_in_memory(b, within=0) is None, "long ago"


def test_models_that_were_used_leave_nothing_behind(saved, tmp_path):
    """Two models, each run, knocked out, switched off and used by a job: once unloaded, neither is in memory."""
    queue, gone = Jobs(kept=0), []

    def work(name):
        model = load_model(name)
        trace = capture(model, make_request(model.key, "Which word was read?", answer="That one.", raw=True))
        knock_out(model, trace)
        switch_off(model, trace, [Part("head", 1, 0)])
        attribute(model, trace, "input-x-gradient")
        gone.extend((weakref.ref(model), weakref.ref(model.hf), weakref.ref(next(model.hf.parameters()))))

    for name in "ab":
        path = str(shutil.copytree(saved, tmp_path / name))
        work(path)
        assert queue.submit(name, lambda p, c, path=path: work(path)).wait(60)
    assert len(gone) == 12 and all(ref() is not None for ref in gone), "both are in the cache"
    load.unload_models()
    for _ in range(200):  # the idle worker drops its last reference a moment after the job is over
        queue.all()
        gc.collect()
        if all(ref() is None for ref in gone):
            break
        threading.Event().wait(0.01)
    assert [ref() for ref in gone] == [None] * 12


def test_unloading_collects_at_once_and_only_where_something_was_loaded(folder):
    class Held:
        def __init__(self):
            self.me = self

    load_model(str(folder))
    gc.disable()
    try:
        gone = weakref.ref(Held())
        assert gone() is not None, "it holds itself"
        load.unload_models()
        assert gone() is None
        kept = weakref.ref(Held())
        load.unload_models()
        assert kept() is not None, "a collection takes a second in a large process"
    finally:
        gc.enable()


def test_nothing_of_the_generation_defaults_survives_but_the_end_tokens(folder):
    defaults = {
        "repetition_penalty": 5.0,
        "temperature": 0.1,
        "do_sample": True,
        "eos_token_id": [0, 7],
        "max_length": 9,
    }
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    config = load_model(str(folder)).hf.generation_config
    assert config.to_diff_dict().keys() <= {"eos_token_id", "pad_token_id", "bos_token_id", "transformers_version"}
    assert set(config.eos_token_id) == {0, 7, 2}, "7 from its defaults, 2 (<|im_end|>) from the template"
    assert config.pad_token_id == 0


def test_files_that_changed_under_a_key_are_noticed(folder):
    key = model_key.resolve(str(folder))
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(ModelError, match="have changed"):
        load_model(key)


def test_weights_of_another_kind_of_model_are_refused(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 tensor of its architecture"):
        load_model(str(folder))
    assert loaded_models() == []


def test_weights_of_another_shape_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 40}))
    with pytest.raises(ModelError, match="tiny do not have the shapes"):
        load_model(str(folder))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_hidden_layers": "three"},
        {"num_attention_heads": 0},
        {"max_position_embeddings": None},
        {"rope_parameters": {"rope_type": "odd"}},
        {"dtype": "odd"},
    ],
)
def test_a_config_that_transformers_refuses_is_one_sentence(folder, wrong):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | wrong))
    with pytest.raises(ModelError, match="tiny could not be loaded .*: check its files") as error:
        load_model(str(folder))
    assert "\n" not in str(error.value) and loaded_models() == []


def test_a_family_that_fails_in_the_check_is_one_sentence(tmp_path):
    broken = save(tmp_path, "codegen", n_embd=32, n_layer=1, n_head=4, n_positions=64, rotary_dim=64)
    with pytest.raises(ModelError, match="codegen could not be loaded"):
        load_model(str(broken))


def test_a_broken_tokenizer_is_one_sentence(folder):
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tiny could not be loaded"):
        load_model(str(folder))


def test_cancelled_between_two_weights(folder):
    seen = []
    with pytest.raises(Cancelled):
        load_model(
            str(folder), progress=lambda *told: seen.append(told), cancelled=lambda: seen[-1:] >= [("Loading", 3, 0)]
        )
    assert seen[-1][1] == 3 < seen[-1][2] and loaded_models() == []
    assert load_model(str(folder)).hf is not None, "nothing is left that would stop the next one"


def test_cancelled_while_its_attention_is_checked(folder):
    """After the last of the weights the model runs some tokens: seconds, for a large one."""
    told, asked = [], []

    def ask(stop_at=None):
        if told and told[-1][2] and told[-1][1] == told[-1][2] - 1:
            asked.append(1)
        return stop_at is not None and len(asked) > stop_at

    load_model(str(folder), progress=lambda *step: told.append(step), cancelled=ask)
    load.unload_models()
    passes = len(asked)
    assert passes > 20, "at every part of the model"
    told.clear(), asked.clear()
    with pytest.raises(Cancelled):
        load_model(str(folder), progress=lambda *step: told.append(step), cancelled=lambda: ask(passes // 2))
    assert loaded_models() == []


def test_cancelled_before_it_starts(folder):
    with pytest.raises(Cancelled):
        load_model(str(folder), cancelled=lambda: True)
    assert loaded_models() == []


def test_too_little_memory(folder, monkeypatch):
    monkeypatch.setattr("core.models.memory_estimate.available_memory", lambda: 1000)
    monkeypatch.setattr(load, "available_memory", lambda: 1000)
    with pytest.raises(ModelError, match="of memory in float32 and 0 MB are free"):
        load_model(str(folder))


def test_a_device_that_is_not_there(folder):
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="torch sees no cuda.*HEED_DEVICE=cpu"):
            load_model(str(folder), device="cuda")


def test_the_hub_is_left_alone_and_the_switch_undone(folder, monkeypatch):
    from huggingface_hub import constants

    seen = []
    real = load._read
    monkeypatch.setattr(load, "_read", lambda *a: seen.append(constants.HF_HUB_OFFLINE) or real(*a))
    before, environment = constants.HF_HUB_OFFLINE, dict(os.environ)
    load_model(str(folder))
    assert seen == [True] and before == constants.HF_HUB_OFFLINE and environment == dict(os.environ)


def test_a_family_that_does_not_dispatch_comes_by_the_eager_path(tmp_path):
    ref = load_model(str(save(tmp_path, "bloom", hidden_size=16, n_layer=2, n_head=2))).ref
    assert ref.attention == "eager" and ref.attention_layers == (0, 1)
    assert any("slow eager path" in note for note in ref.notes) and ref.context <= 2048


def test_a_model_without_attention_says_so(tmp_path):
    ref = load_model(str(save(tmp_path, "mamba", hidden_size=16, num_hidden_layers=2, state_size=4))).ref
    assert (ref.attention, ref.attention_layers, ref.heads, ref.layers) == ("none", (), 0, 2)
    assert any("no attention" in note for note in ref.notes)


def test_what_a_recurrent_model_calls_attention_is_none(tmp_path):
    ref = load_model(str(save(tmp_path, "rwkv", hidden_size=16, num_hidden_layers=2, context_length=64))).ref
    assert (ref.attention, ref.attention_layers) == ("none", ())


def test_windows_and_hybrids(tmp_path):
    window = {"sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    gemma = {"num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 64}
    assert load_model(str(save(tmp_path, "gemma3_text", **small, **gemma, **window))).ref.windows == (5, None)
    hybrid = small | {
        "num_key_value_heads": 1,
        "layer_types": ["conv", "full_attention"],
        "max_position_embeddings": 64,
    }
    ref = load_model(str(save(tmp_path, "lfm2", **hybrid))).ref
    assert ref.layers == 2 and ref.attention_layers == (1,) and ref.windows == (None,)
    assert any(note.startswith("1 of 2 layers") for note in ref.notes)


class Config:
    def __init__(self, **values):
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("values", "windows"),
    [
        ({}, [None, None]),
        ({"sliding_window": 8}, [8, 8]),
        ({"sliding_window": 8, "use_sliding_window": False}, [None, None]),
        ({"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}, [8, None]),
        ({"attention_chunk_size": 6, "layer_types": ["chunked_attention", "full_attention"]}, [6, None]),
        ({"window_size": 4, "attention_layers": ["global", "local"]}, [None, 4]),
        ({"sliding_window": 0}, [None, None]),
    ],
)
def test_window_of(values, windows):
    assert [window_of(Config(**values), i) for i in range(2)] == windows


def test_context_of():
    assert context_of(Config(n_positions=1024), None) == 1024
    assert context_of(Config(), Config(model_max_length=512)) == 512
    assert context_of(Config(), Config(model_max_length=int(1e30))) == 1 << 20
