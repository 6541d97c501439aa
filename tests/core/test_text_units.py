"""Tests of grouping tokens into words, sentences, segments and roles: weights add up, labels are readable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import MethodError
from core.records import Message, ModelKey, Request, Segment, Source, Tokens
from core.text.display_text import graphemes
from core.text.output_tokens import with_output
from core.text.render import render
from core.text.segment_marks import parse_marks
from core.text.units import GRANULARITIES, units
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"


def tokens(text, cuts, *, role="user", proven=True):
    """Tokens of one user text, split at these positions."""
    edges = [0, *cuts, len(text)]
    spans = list(zip(edges, edges[1:], strict=False))
    return Tokens(
        ids=np.arange(len(spans)),
        texts=tuple(text[a:b] for a, b in spans),
        message=np.zeros(len(spans)),
        start=np.array([a for a, _ in spans]),
        end=np.array([b for _, b in spans]),
        roles=(role,) * len(spans),
        parts=("prompt",) * len(spans),
        sources=(Source(text, role, "user"),),
        proven=proven,
    )


def matrix(made, count):
    """The membership weights [token, unit] as a dense matrix."""
    out = np.zeros((count, len(made)))
    out[made.token, made.unit] += made.weight
    return out


def word_units(text, cuts):
    t = tokens(text, cuts)
    made = units(t, "word", range(len(t)))
    return made, matrix(made, len(t))


def test_a_token_over_two_words_splits_by_its_characters():
    made, weight = word_units("of the", [])
    assert made.labels == ("of", "the")
    np.testing.assert_allclose(weight, [[0.4, 0.6]])
    made, weight = word_units("never-ending", [5])
    assert made.labels == ("never", "-", "ending")
    np.testing.assert_allclose(weight, [[1, 0, 0], [0, 1 / 7, 6 / 7]], rtol=1e-6)


def test_a_word_over_many_tokens():
    made, weight = word_units(" can't stop", [2, 4, 6])
    assert made.labels == ("can't", "stop")
    np.testing.assert_allclose(weight, [[1, 0], [1, 0], [1, 0], [0, 1]])
    assert list(zip(made.start, made.end, strict=True)) == [(1, 6), (7, 11)]


def test_spaces_are_units_only_where_a_token_is_nothing_else():
    made, _ = word_units("a  b", [1, 2])
    assert made.labels == ("a", "␣", "b")
    made, weight = word_units("a \n\tb", [1, 2, 3, 4])
    assert made.labels == ("a", "␣⏎⇥", "b")
    assert weight[1:4, 1].tolist() == [1, 1, 1]
    assert (made.start[1], made.end[1]) == (1, 4)
    made, _ = word_units("   ", [1])
    assert made.labels == ("␣␣␣",)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("can't 3.14, no!", ("can't", "3.14", ",", "no", "!")),
        (f"{FAMILY}🇩🇪👍🏽", (FAMILY, "🇩🇪", "👍🏽")),
        ("東京へ カタカナ", ("東", "京", "へ", "カタカナ")),
        ("안녕 세계", ("안녕", "세계")),
        ("cafe\u0301 x", ("cafe\u0301", "x")),
        ("שלום עולם", ("\u2068שלום\u2069", "\u2068עולם\u2069")),
    ],
)
@pytest.mark.parametrize("name", ["smollm2", "qwen", "sentencepiece"])
def test_words_of_real_tokens(name, text, labels):
    tokenizer = tokenizers.real(name) if name in tokenizers.REAL else tokenizers.sentencepiece(bos=False)
    t = render(tokenizer, Request(ModelKey("m", "f"), text=text)).tokens
    made = units(t, "word", range(len(t)))
    assert tuple(label for label in made.labels if set(label) != {"␣"}) == labels


def chat(text, answer="Blue sky. Yes<|im_end|>", segments=()):
    """A run of the small model over one message."""
    tokenizer = tokenizers.real("smollm2")
    request = Request(ModelKey("m", "f"), messages=(Message("user", text),), segments=segments)
    prompt = render(tokenizer, request)
    ids = tokenizer(answer)["input_ids"]
    return with_output(tokenizer, prompt, ids, end_ids={tokenizer.eos_token_id}), len(prompt.tokens)


def test_markup_between_texts_is_one_unit():
    t, p = chat("Hi you")
    made = units(t, "word", range(len(t)))
    markup = [(label, role) for label, role, m in zip(made.labels, made.roles, made.message, strict=True) if m < 0]
    assert markup == [
        ("<|im_start|>system⏎", "template"),
        ("<|im_end|>⏎<|im_start|>user⏎", "template"),
        ("<|im_end|>⏎<|im_start|>assistant⏎", "template"),
        ("<|im_end|>", "assistant"),
    ]
    assert made.labels[-4:] == ("sky", ".", "Yes", "<|im_end|>")
    assert made.labels.index("You") < made.labels.index("Hi")


def test_sentences():
    t, p = chat("One is. Two is!\n\nThree")
    made = units(t, "sentence", range(p))
    own = [
        (label, s, e) for label, m, s, e in zip(made.labels, made.message, made.start, made.end, strict=True) if m == 0
    ]
    assert own == [("One is.", 0, 7), ("Two is!", 8, 15), ("Three", 17, 22)]
    assert units(t, "sentence", range(p, len(t))).labels == ("Blue sky.", "Yes", "<|im_end|>")


def test_paragraphs():
    t, p = chat("One is.\nTwo is!\n \nThree")
    made = units(t, "paragraph", range(p))
    own = [(s, e) for m, s, e in zip(made.message, made.start, made.end, strict=True) if m == 0]
    assert own == [(0, 15), (18, 23)]


def test_roles():
    t, p = chat("Hi")
    made = units(t, "role", range(len(t)))
    assert made.labels == made.roles == ("system", "user", "assistant", "template")
    assert units(t, "role", range(p, len(t))).labels == ("assistant",)


def test_segments_and_the_rest_of_each_role():
    text, found = parse_marks("[[instruction: Answer]] me. [[context: The sky]][[context: is blue]]")
    t, p = chat(text, segments=found)
    made = units(t, "segment", range(len(t)), found)
    assert made.labels == (
        "other · template", "other · system", "instruction", "other · user", "context 1", "context 2", "other · assistant",
    )  # fmt: skip
    weight = matrix(made, len(t))
    assert weight[[i for i in range(p) if t.texts[i] == "Answer"], 2].tolist() == [1]
    assert (made.start[2], made.end[2]) == (0, 6)


def test_segments_with_labels_are_called_by_them():
    text, found = parse_marks(
        '[[context "a.pdf": The]][[context: sky]][[context "b.txt": is]][[context "b.txt": blue]]'
    )
    t, _ = chat(text, segments=found)
    made = units(t, "segment", range(len(t)), found)
    assert [label for label, m in zip(made.labels, made.message, strict=True) if m >= 0] == [
        "a.pdf", "context", "b.txt 1", "b.txt 2",
    ]  # fmt: skip


def test_a_token_over_the_edge_of_a_segment_and_nested_segments():
    t = tokens("abcdef gh", [6])
    outer, inner = Segment("context", 0, 0, 6), Segment("example", 0, 2, 4)
    made = units(t, "segment", range(2), (outer, inner))
    assert made.labels == ("context", "example", "other · user")
    np.testing.assert_allclose(matrix(made, 2), [[2 / 3, 1 / 3, 0], [0, 0, 1]], rtol=1e-6)
    made = units(t, "segment", range(2), (Segment("context", 0, 0, 3),))
    np.testing.assert_allclose(matrix(made, 2), [[0.5, 0.5], [0, 1]])


def test_tokens():
    t, p = chat("Hi  東")
    made = units(t, "token", range(p))
    assert len(made) == p and made.token.tolist() == made.unit.tolist() == list(range(p))
    assert made.labels[0] == "<|im_start|>" and "⏎" in made.labels and set(made.weight) == {1}
    assert (made.start == t.start[:p]).all() and (made.message == t.message[:p]).all()


def test_unproven_tokens_have_no_words():
    t = render(tokenizers.wordpiece(), Request(ModelKey("m", "f"), text="Hello World")).tokens
    for granularity in ("word", "sentence", "paragraph", "segment"):
        with pytest.raises(MethodError, match="choose token or role"):
            units(t, granularity, range(len(t)))
    assert units(t, "role", range(len(t))).labels == ("user", "template")
    assert len(units(t, "token", range(len(t)))) == len(t)


def test_turns_are_the_messages_of_a_conversation():
    texts = ("Be brief.", "Hi", "Hello", "Bye")
    roles = ("system", "user", "assistant", "user")
    sources = [Source(text, role, "user") for text, role in zip(texts, roles, strict=True)]
    t = Tokens(
        ids=np.arange(7),
        texts=("<s>", "Be", " brief.", "Hi", "Hello", "Bye", "See you"),
        message=[-1, 0, 0, 1, 2, 3, 4],
        start=[-1, 0, 2, 0, 0, 0, 0],
        end=[-1, 2, 9, 2, 5, 3, 7],
        roles=("template", "system", "system", "user", "assistant", "user", "assistant"),
        parts=(*["prompt"] * 6, "answer"),
        sources=(*sources, Source("See you", "assistant", "model")),
    )
    made = units(t, "turn", range(6))
    assert made.labels == ("markup", "system", "user 1", "assistant", "user 2")
    assert made.unit.tolist() == [0, 1, 1, 2, 3, 4]
    assert made.sum(np.arange(6.0)).tolist() == [0, 3, 3, 4, 5]
    assert units(t, "turn", range(6, 7)).labels == ("answer",)


def test_unknown_granularity():
    with pytest.raises(MethodError, match="token, word, sentence, paragraph, segment, role, turn, not 'letter'"):
        units(tokens("a", []), "letter", range(1))


def test_no_positions():
    for granularity in GRANULARITIES:
        made = units(tokens("ab", [1]), granularity, range(0))
        assert len(made) == len(made.token) == 0


def conserved(t, positions, segments=()):
    values = np.random.default_rng(0).random((3, len(t)), np.float32)[:, positions.start : positions.stop]
    for granularity in GRANULARITIES:
        made = units(t, granularity, positions, segments)
        assert sorted(set(made.token.tolist())) == list(positions)
        assert (made.weight > 0).all() and all(made.labels)
        assert sorted(set(made.unit.tolist())) == list(range(len(made)))
        total = np.bincount(made.token, made.weight, minlength=positions.stop)[positions.start :]
        np.testing.assert_allclose(total, 1, atol=1e-5)
        np.testing.assert_allclose(made.sum(values, positions.start).sum(1), values.sum(1), rtol=1e-5)
        for m, a, b, role in zip(made.message, made.start, made.end, made.roles, strict=True):
            if a >= 0:
                assert m >= 0 and 0 <= a < b <= len(t.sources[m].text) and role == t.sources[m].role


texts = st.text(
    alphabet=f"ab cdé東京カ가🙂🇩🇪👍🏽\n\t\r.,!'\"-_1\u0301\u0308\u200d\u200b\u00a0{FAMILY}שלוםعสวั<|im_end|>",
    min_size=1,
    max_size=30,
).filter(lambda t: t.strip())


@given(text=texts, answer=texts, data=st.data())
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("name", ["smollm2", "qwen", "sentencepiece", "unigram"])
def test_mass_is_conserved_for_any_text(name, text, answer, data):
    tokenizer = tokenizers.real(name) if name in tokenizers.REAL else getattr(tokenizers, name)("gemma")
    prompt = render(tokenizer, Request(ModelKey("m", "f"), messages=(Message("user", text),)))
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    t = with_output(tokenizer, prompt, ids, end_ids={tokenizer.eos_token_id})
    if not t.proven:
        return
    a = data.draw(st.integers(0, len(text) - 1))
    segments = (Segment("context", 0, a, data.draw(st.integers(a + 1, len(text)))),)
    p, n = len(prompt.tokens), len(t)
    for positions in (range(p), range(p, n), range(n), range(p // 2, n)):
        conserved(t, positions, segments)


@given(text=texts, seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_mass_is_conserved_for_any_cut(text, seed):
    edges = sorted({a for a, _ in graphemes(text)} - {0})
    pick = np.random.default_rng(seed)
    t = tokens(text, [e for e in edges if pick.random() < 0.5])
    conserved(t, range(len(t)))
