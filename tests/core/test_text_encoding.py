"""Tests that a tokenizer's offsets are trusted only when the text can be rebuilt from them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text.detokenise import close_spans
from core.text.encoding import encode_text, same_text, spans_rebuild_text
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"
TEXT = f"Hello  world, e\u0301 東京 {FAMILY}\n\n ok."
ALL = {
    "smollm2": lambda: tokenizers.real("smollm2"),
    "qwen": lambda: tokenizers.real("qwen"),
    "bytelevel": tokenizers.bytelevel,
    "prefix space": lambda: tokenizers.bytelevel(prefix_space=True),
    "trimmed offsets": lambda: tokenizers.bytelevel(trim=True),
    "sentencepiece": tokenizers.sentencepiece,
    "nfkc": lambda: tokenizers.sentencepiece(nfkc=True),
    "unigram": tokenizers.unigram,
    "slow": tokenizers.slow,
}


@pytest.fixture(params=ALL, scope="module")
def tokenizer(request):
    return ALL[request.param]()


@pytest.mark.parametrize("text", [TEXT, "Hello", " Hello", "  ", "\n", "東", f"{FAMILY}{FAMILY}", "ab ab ab", "x▁y"])
@pytest.mark.parametrize("special", [True, False])
def test_proven_and_equal_to_the_tokenizer(tokenizer, text, special):
    out = encode_text(tokenizer, text, special)
    assert out.proven
    assert list(out.ids) == tokenizer(text, add_special_tokens=special)["input_ids"]
    covered = {
        k
        for (a, b), added in zip(close_spans(out.spans, text), out.added, strict=True)
        if not added
        for k in range(a, b)
    }
    assert {k for k in range(len(text)) if not text[k].isspace()} <= covered


def test_each_token_has_its_own_characters():
    text = "the 東 o\u0308"
    out = encode_text(tokenizers.real("qwen"), text, False)
    assert [text[a:b] for a, b in close_spans(out.spans, text)] == ["the", " 東", "東", " o\u0308"]


def test_lower_casing_is_not_proven():
    assert not encode_text(tokenizers.wordpiece(), "Hello World", True).proven
    assert not encode_text(tokenizers.wordpiece(), "cafe\u0301", True).proven
    cased = encode_text(tokenizers.wordpiece(lower=False), "Hello world.", True)
    assert cased.proven and cased.added[0] and cased.added[-1] and cased.before == 1
    assert len(cased.own_ids) == len(cased.ids) - 1


def test_begin_tokens_are_told_from_text_that_looks_like_them():
    out = encode_text(tokenizers.bytelevel(bos=True), "<s>Hello</s>", True)
    assert out.added[:2] == (True, False) and not any(out.added[1:])
    assert out.spans[1] == (0, 3)


def test_wrong_offsets_are_found():
    tokenizer, text = tokenizers.bytelevel(), "Hello world, hello sky"
    out = encode_text(tokenizer, text, False)
    ids, spans, added = list(out.ids), list(out.spans), list(out.added)
    assert spans_rebuild_text(tokenizer, text, ids, spans, added)
    assert not spans_rebuild_text(tokenizer, text, ids, [(a + 1, b + 1) for a, b in spans], added)
    assert not spans_rebuild_text(tokenizer, text, ids, [*spans[1:], spans[0]], added)
    assert not spans_rebuild_text(tokenizer, text, ids, [(0, 0)] * len(ids), added)
    assert not spans_rebuild_text(tokenizer, text, ids[:-1], spans[:-1], added[:-1])
    assert not spans_rebuild_text(tokenizer, text, ids[:2] + ids[3:], spans[:2] + spans[3:], added[1:])
    assert not spans_rebuild_text(tokenizer, "Hello world, hello sea", ids, spans, added)


def test_only_case_and_letters_count_as_different():
    assert same_text("ﬁ", "fi") and same_text(" a  b", "a b") and same_text("e\u0301", "é")
    assert not same_text("A", "a") and not same_text("ab", "a b")


texts = st.text(alphabet=f"ab Hé東京🙂🇩🇪\n\t.,'\u0301\u200d{FAMILY}שالخحกำ①ﬁ½▁<s>", max_size=16)


@given(text=texts)
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("name", ["smollm2", "qwen", "bytelevel", "slow"])
def test_lossless_tokenizers_prove_every_text(name, text):
    assert encode_text(ALL[name](), text, False).proven


@given(text=texts)
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("name", ["sentencepiece", "nfkc", "unigram"])
def test_what_is_proven_covers_the_text(name, text):
    out = encode_text(ALL[name](), text, False)
    if out.proven:
        covered = {k for a, b in close_spans(out.spans, text) for k in range(a, b)}
        assert {k for k in range(len(text)) if text[k].isalnum()} <= covered
