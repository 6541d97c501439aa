"""Maps of texts equal an independent eager forward pass for families of every kind; masked words, pairs, refusals."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.capture import masked_predictions, read_text
from core.capture.text_maps import MOST_WEIGHTS
from core.errors import Cancelled, CaptureError, MethodError, PromptError
from core.models import load_model, model_status
from core.models.model_ref import UNBOUNDED, plain_generation
from core.records import ModelKey, ModelRef, TextRequest
from tests.core.kinds_made_up import ENCDECS, ENCODERS, build_kind, tokenizer, tokenizer_of_t5
from tests.core.tiny import DISPATCH, EAGER, build

KEY = ModelKey("tiny", "f" * 64)
TEXT, SECOND = "the sky is blue and deep", "what color is the sea ?"
CLOSE = {"atol": 1e-5, "rtol": 0}


def made(hf, kind, words=None, attention="eager", layers=3, context=60):
    """A loaded model as the loader gives it."""
    ref = ModelRef(
        KEY, "Tiny", "none", "made up", "t", hf.config.model_type, kind, layers, 4, tuple(range(layers)),
        (None,) * layers, attention, context, 1, False,
    )  # fmt: skip
    words = words or tokenizer()
    if kind == "encdec":
        hf.generation_config = plain_generation(hf, words)
    return SimpleNamespace(hf=hf, tokenizer=words, ref=ref, key=KEY, forced=(None, ()), lock=threading.Lock())


def stacked(attentions):
    """[layer, head, query, key] of what transformers returns."""
    return np.stack([a[0].float().numpy() for a in attentions if a is not None])


@pytest.mark.parametrize("second", ["", SECOND])
@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_equals_eager(family, second):
    hf = build_kind(family)
    reading = read_text(made(hf, "encoder"), TextRequest(KEY, TEXT, second))
    given = tokenizer()(TEXT, second or None, return_tensors="pt")
    with torch.no_grad():
        if family in ("distilbert", "modernbert", "mpnet"):
            given.pop("token_type_ids", None)
        out = hf(**given, output_attentions=True)
    maps = reading.of("encoder")
    np.testing.assert_allclose(maps.values, stacked(out.attentions), **CLOSE)
    assert reading.kinds == ("encoder",) and not maps.causal and maps.source == reading.model.caption
    np.testing.assert_allclose(maps.values.sum(-1), 1, atol=1e-4)
    assert maps.values.std() > 0.01, "attention that is even everywhere would prove nothing"


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_parts_of_a_pair(family):
    maps = read_text(made(build_kind(family), "encoder"), TextRequest(KEY, "the <mask> is", "the sea")).of("encoder")
    assert maps.keys.texts == ("<s>", "the", "<mask>", "is", "</s>", "the", "sea", "</s>")
    assert maps.keys.parts == ("", *["question"] * 3, "", *["context"] * 2, "")
    # the user wrote the mask token
    assert maps.keys.special.tolist() == [True, False, False, False, True, False, False, True]
    alone = read_text(made(build_kind(family), "encoder"), TextRequest(KEY, "the sea")).of("encoder")
    assert set(alone.keys.parts) == {""}


@pytest.mark.parametrize("second", ["", "one two three"])
@pytest.mark.parametrize("family", ENCDECS)
def test_an_encoder_decoder_equals_eager(family, second):
    words = tokenizer_of_t5() if "t5" in family else tokenizer()
    hf = build_kind(family)
    start = hf.config.decoder_start_token_id
    reading = read_text(made(hf, "encdec", words), TextRequest(KEY, TEXT, second, max_new_tokens=5))
    ids = words(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        if second:
            output = words(second, return_tensors="pt")["input_ids"]
        else:  # written token by token, without a cache
            output = torch.zeros((1, 0), dtype=torch.long)
            while output.shape[1] < 5 and (output.shape[1] == 0 or output[0, -1] != 3):
                behind = torch.cat([torch.tensor([[start]]), output], dim=1)
                best = hf(input_ids=ids, decoder_input_ids=behind, use_cache=False).logits[:, -1].argmax(-1)
                output = torch.cat([output, best[:, None]], dim=1)
        behind = torch.cat([torch.tensor([[start]]), output[:, :-1]], dim=1)
        out = hf(input_ids=ids, decoder_input_ids=behind, use_cache=False, output_attentions=True)
    assert reading.kinds == ("encoder", "self", "cross")
    for kind, expected in zip(reading.kinds, (out.encoder_attentions, out.decoder_attentions, out.cross_attentions)):
        np.testing.assert_allclose(reading.of(kind).values, stacked(expected), **CLOSE)
    cross, own = reading.of("cross"), reading.of("self")
    assert cross.values.std() > 0.01 and own.causal and not cross.causal
    assert cross.keys.texts == reading.of("encoder").keys.texts
    assert own.queries.texts == ("(start)", *cross.queries.texts[:-1])
    np.testing.assert_allclose(cross.values.sum(-1), 1, atol=1e-4)
    if second:
        assert reading.written.split() == second.split() and cross.queries.special[-1]


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "gemma2", "mistral", *EAGER])
def test_a_decoder_equals_eager(family):
    hf = build(family)
    ids = list(range(30, 54))
    if family in DISPATCH:
        from core.models.attention_setup import install_attention

        assert install_attention(hf) == "dispatch"
    layers = 2 if family == "gpt_neo" else 3
    model = made(hf, "decoder", AnyWord(), "dispatch" if family in DISPATCH else "eager", layers, UNBOUNDED)
    maps = read_text(model, TextRequest(KEY, token_ids=ids)).of("self")
    hf.set_attn_implementation("eager") if family in DISPATCH else None
    with torch.no_grad():
        out = hf(torch.tensor([ids]), use_cache=False, output_attentions=True)
    np.testing.assert_allclose(maps.values, stacked(out.attentions), **CLOSE)
    assert maps.causal and maps.offset == 0 and not maps.values[..., ~maps.map([0], [0]).readable].any()


class AnyWord:
    """A tokenizer that calls every token by its number."""

    all_special_ids, added_tokens_decoder, unk_token_id, is_fast = [], {}, None, False

    def __len__(self):
        return 120

    def decode(self, ids, **_):
        return "".join(f" {i}" for i in ids)

    def convert_ids_to_tokens(self, i):
        return str(i)


def test_masked_words_are_the_softmax_of_the_head():
    hf = build_kind("bert")
    text = "the <mask> is blue and <mask> ."
    reading = read_text(made(hf, "encoder"), TextRequest(KEY, text))
    with torch.no_grad():
        logits = hf(**tokenizer()(text, return_tensors="pt")).logits[0]
    assert [m.position for m in reading.masked] == [2, 6]
    for found in reading.masked:
        probabilities = torch.softmax(logits[found.position], -1).numpy()
        best = np.argsort(-probabilities)[:5]
        assert list(found.ids) == best.tolist() and list(found.texts) == tokenizer().convert_ids_to_tokens(best)
        np.testing.assert_allclose(found.probabilities, probabilities[best], atol=1e-6)
    assert masked_predictions(made(hf, "encoder"), text) == reading.masked
    assert len(masked_predictions(made(hf, "encoder"), "the <mask>", "the sea", k=3)[0].ids) == 3


def test_masked_words_are_asked_of_the_wrong_model_or_text():
    bare = made(build_kind("bert", head=False), "encoder")
    reading = read_text(bare, TextRequest(KEY, "the <mask> is"))
    assert reading.masked == () and "no head for masked words" in reading.notes[0]
    assert read_text(bare, TextRequest(KEY, "the sky")).notes == ()
    with pytest.raises(MethodError, match="no head for masked words: pick"):
        masked_predictions(bare, "the <mask> is")
    with pytest.raises(MethodError, match="write <mask> in the place of one"):
        masked_predictions(made(build_kind("bert"), "encoder"), "the sky")


def test_what_cannot_be_read_is_one_sentence():
    bert = made(build_kind("bert"), "encoder")
    with pytest.raises(CaptureError, match="has 72 tokens, but Tiny reads at most 60 here: shorten"):
        read_text(bert, TextRequest(KEY, "sky " * 70))
    llama = made(build("llama"), "decoder", AnyWord(), layers=3, context=UNBOUNDED)
    with pytest.raises(PromptError, match="is a decoder, which reads one text"):
        read_text(llama, TextRequest(KEY, "sky", "sea"))
    llama.ref = llama.ref.__class__(**{**llama.ref.__dict__, "attention": "dispatch"})
    tokens = int((MOST_WEIGHTS / 12) ** 0.5) + 2
    with pytest.raises(CaptureError, match=f"shorten the text to {tokens - 2:,} tokens"):
        read_text(llama, TextRequest(KEY, token_ids=[9] * tokens))
    with pytest.raises(PromptError, match="asks for other"):
        read_text(bert, TextRequest(ModelKey("other", "0"), "sky"))
    with pytest.raises(PromptError, match="Token id 99 is not one"):
        read_text(bert, TextRequest(KEY, token_ids=[99]))
    with pytest.raises(Cancelled):
        read_text(bert, TextRequest(KEY, "sky"), cancelled=lambda: True)
    nothing = made(build_kind("bert"), "encoder", attention="none")
    with pytest.raises(MethodError, match="has no attention"):
        read_text(nothing, TextRequest(KEY, "sky"))


@pytest.mark.slow
def test_minilm_equals_a_bert_of_its_own():
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    from core.models.catalogue import MINILM
    from core.models.model_key import wheel_folder

    if model_status("minilm") != "ready":
        pytest.skip("the encoder is not on this machine")
    model = load_model("minilm")
    question, context = "What color is the sky?", "The sky above the harbour was a deep, clear blue."
    maps = read_text(model, TextRequest(model.key, question, context)).of("encoder")
    folder = wheel_folder(MINILM)
    config = BertConfig.from_json_file(f"{folder}/config.json")
    config._attn_implementation = "eager"
    hf = BertModel(config, add_pooling_layer=False).eval()
    hf.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
    words = Tokenizer.from_file(f"{folder}/tokenizer.json")
    words.no_padding()
    seen = words.encode(question, context)
    with torch.no_grad():
        out = hf(torch.tensor([seen.ids]), token_type_ids=torch.tensor([seen.type_ids]), output_attentions=True)
    np.testing.assert_allclose(maps.values, stacked(out.attentions), **CLOSE)
    assert maps.values.shape[:2] == (6, 12)
    assert maps.keys.texts[0] == "[CLS]" and maps.keys.texts.count("[SEP]") == 2
    assert maps.keys.parts.count("question") == 6 and maps.keys.parts.count("context") == 12
