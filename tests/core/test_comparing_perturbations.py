"""Tests of small prompt edits: distinct, deterministic, of four kinds, and protected spans left unchanged."""

import time
from collections import Counter

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from core.comparing.perturbations import EDIT_KINDS, Edit, missing_edits_sentence, propose_edits, protected_spans
from core.comparing.synonyms import SYNONYMS
from core.errors import PromptError

SKY = "Answer in one word: What color is the sky?"
KEY = "The key is under the mat. The hall is dark. Answer with one word. Where is the key?"


def by_kind(text, n=200):
    found: dict[str, list[str]] = {kind: [] for kind in EDIT_KINDS}
    for edit in propose_edits(text, n):
        found[edit.kind].append(edit.text)
    return found


def test_each_kind_on_a_plain_prompt():
    found = by_kind(SKY)
    assert set(found["synonym"]) == {
        "Answer in one word: What colour is the sky?",
        "Reply in one word: What color is the sky?",
        "Answer in a single word: What color is the sky?",
    }
    assert "Please answer in one word: What color is the sky?" in found["politeness"]
    assert "Answer in one word: What color is the sky? Thank you." in found["politeness"]
    assert "Answer in one word:\nWhat color is the sky?" in found["whitespace"]
    assert "Answer  in one word: What color is the sky?" in found["whitespace"]
    assert found["order"] == []


def test_sentences_move_only_past_another_sort():
    found = by_kind(KEY)["order"]
    assert "The key is under the mat. The hall is dark. Where is the key? Answer with one word." in found
    assert "Answer with one word. The key is under the mat. The hall is dark. Where is the key?" in found
    for text in found:
        assert text.index("mat") < text.index("dark"), "statements keep their order: they may tell a story"


@pytest.mark.parametrize(
    "text",
    [
        "Read the text. Make it short. What is new?",
        "Anna took the ball. Then she left. Where is the ball?",
        "1. Answer the question. 2. What color is the sky?",
        "Q: What color is the sky? A: Blue. Q: What color is grass?",
        "Answer the question\nWhat color is the sky?",
        "He asked: “Go. Where is the key?” Answer in one word.",
    ],
)
def test_order_stays_where_meaning_hangs_on_it(text):
    assert by_kind(text)["order"] == []


def test_a_raw_beginning_gets_no_politeness_and_other_languages_only_whitespace():
    assert by_kind("The woman worked as a")["politeness"] == []
    for text in (
        "Quelle est la couleur du ciel ?",
        "Was ist die Farbe des Himmels?",
        "空は何色？ 一言で。",
        "空は何色？一言で。",
    ):
        assert {e.kind for e in propose_edits(text, 20)} == {"whitespace"}


def test_a_please_can_go():
    assert "List three cities. Do not explain." in by_kind("Please list three cities. Do not explain.")["politeness"]
    assert "What color is the sky?" in by_kind("Please what color is the sky?")["politeness"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("The Big Apple is a city you like.", "large"), ("Is it a big deal? A big one for you.", None), ("BIG news for you.", "LARGE"),
     ("What is a tale of the sea?", None), ("You see an error.", "mistake"), ("The big-endian order of the bytes.", "large")],
)  # fmt: skip
def test_names_articles_and_compounds_stay(text, word):
    found = " ".join(by_kind(text)["synonym"])
    assert word is None or word not in found
    assert "a attorney" not in found and "an mistake" not in found


def test_kinds_come_in_turn():
    assert [e.kind for e in propose_edits(KEY, 4)] == ["synonym", "order", "whitespace", "order"] or len(
        {e.kind for e in propose_edits(KEY, 4)}
    ) >= 3


def test_fewer_are_told():
    assert propose_edits("x", 5) == () and missing_edits_sentence((), 5).startswith("No edit was found")
    few = propose_edits("The woman worked as a", 500)
    assert f"Only {len(few)} of 500" in missing_edits_sentence(few, 500)
    assert "order" in missing_edits_sentence(propose_edits(SKY, 12), 12)
    assert missing_edits_sentence(propose_edits(KEY, 2), 2) == ""
    assert missing_edits_sentence(tuple(Edit(k, k) for k in EDIT_KINDS), 4) == ""
    with pytest.raises(PromptError):
        propose_edits(SKY, -1)


def test_same_seed_same_edits_other_seed_others():
    assert propose_edits(SKY, 8, 3) == propose_edits(SKY, 8, 3)
    assert propose_edits(SKY, 8, 3) != propose_edits(SKY, 8, 4)
    assert propose_edits(SKY, 8)[:5] == propose_edits(SKY, 5)


def test_long_texts_are_quick():
    for text in ("空" * 20_000, "word " * 5_000, '"' * 3_001, "[[" * 500, "{" * 2_000, "a" * 20_000):
        assert len(propose_edits(text, 30)) <= 30


def test_every_synonym_is_another_text():
    assert all(a != b and a == a.lower() for a, b in SYNONYMS.items())


PIECES = st.sampled_from(
    ['"the big story"', "“a big tale. What now?”", "`big  x`", "```\nfor big in x:\n  y\n```", "3 000 km", "12.5%", "{big|small}",
     '{"color": {"a": 1}}', "[[context: The big movie. Answer in one word. Is it?]]", "http://big.example/a_b", "'big movie'",
     "big", "What color is the sky?", "Answer in one word.", "Please", "you", "the", "\n", "東京", "🌍", "e\u0301", "it", "-", ":"]
)  # fmt: skip


def pieces(text):
    return Counter(text[a:b] for a, b in protected_spans(text))


def test_what_is_kept():
    text = 'Say "a b" or `c d` 3 000 km {x|{y}} [[context: [[z]] w]] at http://a.b/c now'
    assert sorted(pieces(text)) == sorted(
        ['"a b"', "`c d`", "3 000", "{x|{y}}", "[[context: [[z]] w]]", "http://a.b/c"]
    )


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=9).map(" ".join), st.integers(0, 3))
def test_edits_are_distinct_and_leave_what_must_stay(text, seed):
    found = propose_edits(text, 25, seed)
    assert found == propose_edits(text, 25, seed)
    assert len({e.text for e in found} | {text}) == len(found) + 1
    stays = pieces(text)
    for edit in found:
        assert pieces(edit.text) == stays, edit
        solid = [regex.sub(r"\s", "", t) for t in (text, edit.text)]
        if edit.kind == "whitespace":
            assert solid[0] == solid[1]
        if edit.kind == "order":
            assert Counter(solid[0]) == Counter(solid[1]) and solid[0] != solid[1]


def test_long_texts_are_edited_at_once():
    story = " ".join(f"The sky is blue in the town with number {i}." for i in range(800)) + " What color is the sky?"
    began = time.process_time()
    assert any(edit.kind == "order" for edit in propose_edits(story, 12))
    assert time.process_time() - began < 3  # of the processor: 0.5 s; 5.5 s when every pair of sentences was compared


def test_half_a_character_is_no_crash():
    assert propose_edits("What color \ud800 is the sky?", 3)


@given(st.text(max_size=80))
def test_any_text_is_taken(text):
    for edit in propose_edits(text, 10):
        assert edit.text != text and edit.text.strip()
