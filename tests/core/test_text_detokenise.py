"""Tests of spans found by decoding: the text is the decoder's own, and every character belongs to a token."""

import random

import pytest

from core.text.detokenise import close_spans, decode_ids, spell_tokens, token_texts
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"
ALL = {
    "smollm2": lambda: tokenizers.real("smollm2"),
    "qwen": lambda: tokenizers.real("qwen"),
    "bytelevel": tokenizers.bytelevel,
    "sentencepiece": tokenizers.sentencepiece,
    "unigram": tokenizers.unigram,
    "slow": tokenizers.slow,
}


@pytest.fixture(params=ALL)
def tokenizer(request):
    return ALL[request.param]()


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "text", ["Hello world", f" 東京 {FAMILY} é 🇩🇪", "a\n\n  b\t", "x" * 80, "The sky is blue. " * 20]
)
def test_the_text_is_the_decoders_own(tokenizer, text):
    ids = ids_of(tokenizer, text)
    found, spans = spell_tokens(tokenizer, ids)
    assert found == decode_ids(tokenizer, ids)
    assert len(spans) == len(ids)
    assert {k for a, b in spans for k in range(a, b)} == set(range(len(found)))
    assert [a for a, _ in spans] == sorted(a for a, _ in spans)


def test_the_pieces_of_a_character_share_it():
    tokenizer = tokenizers.real("qwen")
    ids = ids_of(tokenizer, "the 東 b")
    found, spans = spell_tokens(tokenizer, ids)
    assert [found[a:b] for a, b in spans] == ["the", " 東", "東", " b"]
    found, spans = spell_tokens(tokenizer, ids_of(tokenizer, f"a {FAMILY}"))
    assert {found[a:b] for a, b in close_spans(spans, found)[2:]} == {FAMILY}


def test_bytes_of_neighbours_are_told_apart():
    """This decoder shows a complete character as broken again while the next one is unfinished."""
    tokenizer = tokenizers.sentencepiece()
    ids = ids_of(tokenizer, "東京")
    found, spans = spell_tokens(tokenizer, ids)
    assert [found[a:b] for a, b in spans[-6:]] == ["東"] * 3 + ["京"] * 3


@pytest.mark.parametrize("name", ["smollm2", "qwen", "sentencepiece"])
def test_any_tokens_at_all(name):
    tokenizer, pick = ALL[name](), random.Random(0)
    for _ in range(150):
        ids = [pick.randrange(len(tokenizer)) for _ in range(pick.randint(1, 60))]
        found, spans = spell_tokens(tokenizer, ids)
        assert found == decode_ids(tokenizer, ids)
        assert all(0 <= a <= b <= len(found) for a, b in spans)
        assert {k for a, b in spans for k in range(a, b)} == set(range(len(found)))


def test_single_tokens_keep_their_space():
    tokenizer = tokenizers.sentencepiece()
    ids = ids_of(tokenizer, "Hello world 東")
    texts = token_texts(tokenizer, ids)
    assert "".join(texts).startswith(" Hello world ")
    assert texts[-3:] == ("\ufffd",) * 3
    assert token_texts(tokenizer, [tokenizer.eos_token_id]) == ("</s>",)


def test_closing():
    assert close_spans([(0, 1), (1, 2), (2, 2)], "e\u0301x") == [(0, 2), (0, 2), (2, 2)]
    assert close_spans([(0, 0)], "") == [(0, 0)]
