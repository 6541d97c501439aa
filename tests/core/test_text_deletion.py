"""Tests of deleting spans from a prompt: the rest reads as if written so, and segments stay on their text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PromptError
from core.records import Message, ModelKey, Request, Segment, Source, Tokens
from core.text.deletion import delete_spans, removable_spans
from core.text.segment_marks import parse_marks
from core.text.units import units
from core.text.word_boundaries import word_spans

KEY = ModelKey("m", "f")


def ask(text, segments=()):
    return Request(KEY, messages=(Message("user", text),), segments=tuple(segments))


def left(text, *picked):
    """``text`` without the given words, each at its first place behind the last one."""
    spans, at = [], 0
    for word in picked:
        at = text.index(word, at)
        spans.append((0, at, at + len(word)))
        at += len(word)
    return delete_spans(ask(text), spans).messages[0].content


@pytest.mark.parametrize(
    ("text", "picked", "expected"),
    [
        ("Answer in one word", ["Answer"], "in one word"),
        ("Answer in one word", ["one"], "Answer in word"),
        ("Answer in one word", ["word"], "Answer in one"),
        ("Answer in one word", ["in", "one"], "Answer word"),
        ("Answer in one word", ["in", "word"], "Answer one"),
        ("Answer, in one word", [","], "Answer in one word"),
        ("sky is blue.", ["blue"], "sky is ."),
        ("a (b c) d", ["b", "c"], "a () d"),
        ("first\nsecond\nthird", ["second"], "first\nthird"),
        ("first line\n\nsecond line", ["line"], "first\n\nsecond line"),
        ("one two\nthree four", ["two", "three"], "one\nfour"),
        ("  indented text", ["indented"], "  text"),
        ("text at the end\n", ["end"], "text at the\n"),
        ("東京は青い", ["は"], "東京青い"),
    ],
)
def test_spaces_are_tidied(text, picked, expected):
    assert left(text, *picked) == expected


@given(st.text(alphabet="ab .,\n\té東🙂", max_size=30), st.data())
def test_what_is_not_space_stays_or_goes_exactly(text, data):
    found = word_spans(text)
    picked = data.draw(st.lists(st.sampled_from(found), unique=True) if found else st.just([]))
    stays = [c for i, c in enumerate(text) if not any(a <= i < b for a, b in picked)]
    if not "".join(stays).strip():
        return
    out = delete_spans(ask(text), [(0, a, b) for a, b in picked]).messages[0].content
    assert [c for c in out if not c.isspace()] == [c for c in stays if not c.isspace()]
    assert len(out) <= len(text) - sum(b - a for a, b in picked)
    if not picked:
        assert out == text


@given(st.data())
def test_segments_keep_what_remains_of_their_text(data):
    text, segments = parse_marks(
        "[[context: the old mill stands [[example: by the river]] today]] and [[question: why?]]"
    )
    picked = data.draw(st.lists(st.sampled_from(word_spans(text)), unique=True))
    gone = set().union(*(range(a, b) for a, b in picked)) if picked else set()
    if not "".join(c for i, c in enumerate(text) if i not in gone).strip():
        return
    out = delete_spans(ask(text, segments), [(0, a, b) for a, b in picked])
    kept = {s.name: "".join(out.messages[0].content[s.start : s.end].split()) for s in out.segments}
    for s in segments:
        expected = "".join(text[i] for i in range(s.start, s.end) if i not in gone and not text[i].isspace())
        assert kept.get(s.name, "") == expected
    assert out.segments == tuple(s for s in out.segments if s.start < s.end)


def test_the_rest_of_the_request_stays():
    request = Request(KEY, messages=(Message("system", "Be brief"), Message("user", "Why now?")), max_new_tokens=7)
    out = delete_spans(request, [(0, 3, 8)])
    assert [m.content for m in out.messages] == ["Be", "Why now?"] and out.max_new_tokens == 7
    assert delete_spans(request, []) is request and out.id != request.id
    assert delete_spans(Request(KEY, text="a b"), [(0, 0, 1)]).text == "b"


def test_an_emptied_message_stays_as_an_empty_one():
    request = Request(KEY, messages=(Message("system", "Be brief"), Message("user", "Why?")))
    assert [(m.role, m.content) for m in delete_spans(request, [(0, 0, 8)]).messages] == [
        ("system", ""),
        ("user", "Why?"),
    ]


def test_what_cannot_be_taken_out_is_told():
    with pytest.raises(PromptError, match="remain"):
        delete_spans(ask("all"), [(0, 0, 3)])
    with pytest.raises(PromptError, match="remain"):
        delete_spans(Request(KEY, text=" all "), [(0, 1, 4)])
    with pytest.raises(PromptError, match="token ids"):
        delete_spans(Request(KEY, token_ids=(1, 2)), [(0, 0, 1)])
    for span in [(1, 0, 1), (0, 0, 9), (0, 2, 1), (-1, 0, 1)]:
        with pytest.raises(ValueError):
            delete_spans(ask("all"), [span])


def tokens():
    """Tokens: markup, "be" (the template's own system message), markup, "why", " now"."""
    sources = (Source("why now", "user", "user"), Source("be", "system", "template"))
    return Tokens(
        ids=np.arange(5),
        texts=("<s>", "be", "<u>", "why", " now"),
        message=np.array([-1, 1, -1, 0, 0]),
        start=np.array([-1, 0, -1, 0, 3]),
        end=np.array([-1, 2, -1, 3, 7]),
        roles=("template", "system", "template", "user", "user"),
        parts=("prompt",) * 5,
        sources=sources,
    )


def test_only_the_users_own_text_can_be_removed():
    t = tokens()
    assert removable_spans(t, units(t, "word", range(5))) == ((), (), (), ((0, 0, 3),), ((0, 4, 7),))
    assert removable_spans(t, units(t, "role", range(5))) == ((), ((0, 0, 7),), ())
    named = (Segment("question", 0, 4, 7),)
    parts = units(t, "segment", range(5), named)
    found = dict(zip(parts.labels, removable_spans(t, parts, named), strict=True))
    assert found == {
        "other · template": (),
        "other · system": (),
        "other · user": ((0, 0, 4),),
        "question": ((0, 4, 7),),
    }
