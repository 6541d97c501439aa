"""Tests the built-in prompts (kinds, splits, evidence, balance) and sets of one's own."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from core.errors import PromptError
from core.records import ModelKey
from core.trust.measure_sets import part_of_set, set_seconds
from core.trust.trust_prompts import COUNTS, KINDS, TrustPrompt, built_in_prompts, read_own_prompts


def test_there_are_as_many_of_each_kind_and_split_as_said_and_none_twice() -> None:
    prompts = built_in_prompts()
    assert Counter((p.split, p.kind) for p in prompts) == {
        (split, kind): n for split, counts in COUNTS.items() for kind, n in counts.items()
    }
    assert len({p.id for p in prompts}) == len({p.text for p in prompts}) == len(prompts) == 226
    assert sum(COUNTS["report"].values()) >= 140 and built_in_prompts() is prompts


def test_evidence_stands_in_the_text_once_and_holds_the_answer() -> None:
    for prompt in built_in_prompts():
        assert prompt.text.count(prompt.question) == 1
        assert len(prompt.evidence) == {"two-hop": 2, "summary": 0}.get(prompt.kind, 1)
        for one in prompt.evidence:
            assert prompt.text.count(one) == 1 and one not in prompt.question
        if prompt.kind in ("needle", "article"):
            assert prompt.answered(prompt.evidence[0]) is True


def test_needles_are_hard_and_stand_anywhere() -> None:
    """Half of the sentences or more share a name or a thing with the question; places spread over the prompt."""
    places = []
    for prompt in (p for p in built_in_prompts() if p.kind == "needle"):
        sentences = prompt.text.removesuffix(prompt.question).strip().split(". ")
        asked = set(prompt.question.replace("?", "").split()) - {"the", "was", "of", "sent", "keep", "Where", "did"}
        near = [bool(asked & set(s.rstrip(".").split()) - {"in", "the"}) for s in sentences]
        assert np.mean(near) >= 0.5
        places.append(prompt.text.index(prompt.evidence[0]) / (len(prompt.text) - len(prompt.question)))
    assert np.histogram(places, 4, (0, 1))[0].min() >= 10


def test_articles_are_long_and_texts_of_different_splits_share_nothing() -> None:
    prompts = built_in_prompts()
    words = [len(p.text.split()) for p in prompts if p.kind == "article" and p.split == "report"]
    assert len(words) == 20 and min(words) >= 600 and max(words) <= 1550
    texts = {s: " ".join(p.text for p in prompts if p.split == s) for s in COUNTS}
    for prompt in (p for p in prompts if p.kind == "summary"):
        first = prompt.text.split(". ")[0]
        assert [s for s, text in texts.items() if first in text] == [prompt.split]


def test_a_part_of_the_set_has_all_kinds_and_splits() -> None:
    part = part_of_set(built_in_prompts(), 60)
    assert {p.split for p in part} == set(COUNTS) and {p.kind for p in part} == set(KINDS)
    own = part_of_set([TrustPrompt(f"One. Two. Three. {i}?", "own") for i in range(20)], None)
    assert Counter(p.split for p in own) == {"fit": 8, "report": 8, "choose": 4}
    key = ModelKey("tiny", "0" * 64)
    assert set_seconds(part, 135_000_000, key).startswith("roughly") and "size" in set_seconds(part, None, key)


def test_own_sets_are_read_from_csv_and_json_lines() -> None:
    line = {"prompt": "A is B. C is D. What is A?", "evidence": "A is B.", "question": "What is A?", "answer": "b"}
    bare = {"prompt": "Say something."}
    found = read_own_prompts("\n".join(map(json.dumps, [line, bare, line])).encode(), "x.jsonl")
    assert [p.evidence for p in found] == [("A is B.",), ()] and found[0].answered("It is B") is True
    assert found[1].answered("whatever") is None and found[0].kind == "own"
    table = 'prompt,answer,evidence\n"A is B. C is D.",b,"A is B.\nC is D."\n'
    assert read_own_prompts(table.encode(), "x.CSV")[0].evidence == ("A is B.", "C is D.")


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"\xff\xfe", "x.jsonl", "not UTF-8"),
        (b"", "x.jsonl", "has no prompts"),
        (b"{", "x.jsonl", "Line 1 of x.jsonl is not JSON"),
        (b'{"prompt": 3}', "x.jsonl", "Line 1 of x.jsonl: it has no text under prompt"),
        (b'{"prompt": "A.", "evidence": ["B."]}', "x.jsonl", "does not stand in its prompt"),
        (b'{"prompt": "A.", "evidence": [3]}', "x.jsonl", "must be texts"),
        (b"text\nA", "x.csv", "no column prompt"),
        (b"prompt\n ", "x.csv", "is empty"),
    ],
)
def test_bad_sets_are_told_with_their_line(data: bytes, name: str, told: str) -> None:
    with pytest.raises(PromptError, match=told):
        read_own_prompts(data, name)
