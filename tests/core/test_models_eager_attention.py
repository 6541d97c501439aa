"""Encoders and encoder-decoders are loaded by what their files say, checked, and described; tiny random models."""

import json

import pytest
import torch

from core.errors import CaptureError, ModelError
from core.models import eager_attention, load, load_model
from core.models.catalogue import CATALOGUE, MINILM, writing_models
from core.models.model_key import folder_fingerprint, known_kind, resolve, wheel_folder
from core.settings import models_path
from tests.core.kinds_made_up import ENCDECS, ENCODERS, build_kind, save_kind

REAL = models_path()
"""The weights on this machine, before a test moves the folder."""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    load.unload_models()
    yield
    load.unload_models()


def test_an_encoder_comes_with_its_head_where_the_files_hold_one(tmp_path):
    masked = load_model(str(save_kind(tmp_path / "bert", "bert")))
    ref = masked.ref
    assert (ref.kind, ref.attention, ref.layers, ref.heads, ref.attention_layers) == (
        "encoder",
        "eager",
        3,
        4,
        (0, 1, 2),
    )
    assert "writes none" in ref.notes[0] and not masked.hf.training
    assert type(masked.hf).__name__ == "BertForMaskedLM"
    bare = load_model(str(save_kind(tmp_path / "bare", "bert", head=False)))
    assert type(bare.hf).__name__ == "BertModel" and bare.ref.kind == "encoder"
    # a config that names a head whose weights are not there
    config = tmp_path / "bare" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": ["BertForMaskedLM"]}))
    assert type(load_model(str(tmp_path / "bare")).hf).__name__ == "BertModel"


def test_the_kind_is_known_without_loading(tmp_path):
    folders = {name: str(save_kind(tmp_path / name, name)) for name in ("bert", "t5")}
    folders["bare"] = str(save_kind(tmp_path / "bare", "bert", head=False))
    found = {name: known_kind(path) for name, path in folders.items()}
    assert found == {"bert": "encoder", "t5": "encdec", "bare": "encoder"}
    for path in folders.values():
        assert load_model(path).ref.kind == known_kind(path)
    assert [known_kind(name) for name in ("minilm", "dates-t5", "gpt2", "some/where")] == [
        "encoder", "encdec", "decoder", "decoder"
    ]  # fmt: skip


def test_positions_are_counted_from_behind_the_padding_row(tmp_path):
    model = load_model(str(save_kind(tmp_path / "roberta", "roberta")))
    assert model.ref.context == 62
    ids = torch.full((1, 62), 9)
    assert model.hf(ids).logits.shape[1] == 62
    with pytest.raises(Exception, match="index out of range|out of bounds"):
        model.hf(torch.full((1, 63), 9))


def test_a_local_window_of_an_encoder_is_described(tmp_path):
    assert load_model(str(save_kind(tmp_path / "m", "modernbert"))).ref.windows == (None, 4, None)


def test_an_encoder_decoder_keeps_what_its_decoder_starts_with(tmp_path):
    made = save_kind(tmp_path / "bart", "bart") / "generation_config.json"
    told = {"forced_bos_token_id": 2, "num_beams": 4, "bad_words_ids": [[0]]}
    made.write_text(json.dumps(json.loads(made.read_text()) | told))
    model = load_model(str(tmp_path / "bart"))
    assert (model.ref.kind, model.ref.layers, model.ref.attention_layers) == ("encdec", 3, (0, 1, 2))
    own = model.hf.generation_config
    assert (own.decoder_start_token_id, own.eos_token_id, model.forced) == (3, [3], (2, (0,)))
    assert own.forced_bos_token_id is own.bad_words_ids is None and own.num_beams in (None, 1)
    assert eager_attention.decoder_start(model.hf) == 3
    assert load_model(str(save_kind(tmp_path / "t5", "t5"))).ref.context == 2048


def test_an_encoder_decoder_without_its_decoder_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    weights = save_kind(tmp_path / "t5", "t5") / "model.safetensors"
    tensors = {name: t for name, t in load_file(weights).items() if "decoder.block.2" not in name}
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack .* tensors of its architecture"):
        load_model(str(tmp_path / "t5"))


@pytest.mark.parametrize("family", [*ENCODERS, *ENCDECS])
def test_the_check_passes_right_attention(family):
    assert eager_attention.kind_problems(build_kind(family), "encdec" if family in ENCDECS else "encoder") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a * 0.5, "rows of encoder layer 0 do not sum to 1"),
        (lambda a: a * float("nan"), "rows of encoder layer 0 do not sum to 1"),
        (lambda a: a[..., :-1], "encoder layer 0 gives 24 x 23 weights where 24 x 24 are expected"),
        (None, "the model returns no encoder attention"),
    ],
)
def test_the_check_sees_wrong_attention(monkeypatch, change, said):
    right = eager_attention.float_weights
    wrong = lambda a: {} if change is None else {k: change(v) for k, v in right(a).items()}  # noqa: E731
    hf = build_kind("bert")
    monkeypatch.setattr(eager_attention, "float_weights", wrong)
    assert eager_attention.kind_problems(hf, "encoder")[0] == said


def test_a_decoder_that_reads_the_future_is_refused(tmp_path, monkeypatch):
    right = eager_attention.encdec_pass

    def flipped(*given):
        found = right(*given)
        return eager_attention.EncdecPass(
            found.encoder, {k: v.flip(-1) for k, v in found.decoder.items()}, found.cross, found.logits
        )

    monkeypatch.setattr(eager_attention, "encdec_pass", flipped)
    with pytest.raises(CaptureError, match="t5 was refused: .*decoder layer 0 reads the future"):
        load_model(str(save_kind(tmp_path / "t5", "t5")))


def test_the_catalogue_has_an_encoder_that_pages_which_write_leave_out():
    entry = CATALOGUE["minilm"]
    assert entry.kind == "encoder" and entry.source is MINILM
    assert entry.name not in writing_models() and len(writing_models()) == len(CATALOGUE) - 1


def test_the_encoder_of_the_catalogue(monkeypatch):
    key = resolve("minilm")  # its fingerprint is known before anything is fetched
    monkeypatch.setenv("HEED_MODELS", str(REAL))
    if not (wheel_folder(MINILM) / "model.safetensors").exists():
        pytest.skip("the encoder is not on this machine")
    assert folder_fingerprint(wheel_folder(MINILM)) == key.fingerprint == MINILM.fingerprint
    model = load_model(key)
    assert (model.ref.kind, model.ref.layers, model.ref.heads, model.ref.context) == ("encoder", 6, 12, 512)
    assert model.ref.parameters == CATALOGUE["minilm"].parameters
