"""Tests of segment marks: they are stripped, spans point into the rest, other double brackets stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records import SEGMENTS, Segment
from core.text.segment_marks import parse_marks, segment_label, unclosed_marks, write_marks


def named(text):
    plain, found = parse_marks(text)
    return plain, [(s.name, plain[s.start : s.end]) for s in found]


@pytest.mark.parametrize(
    ("text", "plain", "found"),
    [
        ("[[instruction: Do it.]] Now.", "Do it. Now.", [("instruction", "Do it.")]),
        ("[[Context:The sky]]", "The sky", [("context", "The sky")]),
        ("[[EXAMPLE:  two spaces]]", " two spaces", [("example", " two spaces")]),
        ("[[ question : why?]]", "why?", [("question", "why?")]),
        ("a [[context: b]] c [[context: b]]", "a b c b", [("context", "b"), ("context", "b")]),
        ("[[context: a\nb\n]]", "a\nb\n", [("context", "a\nb\n")]),
        ("[[context: see [[Wiki]] there]]!", "see [[Wiki]] there!", [("context", "see [[Wiki]] there")]),
        ("[[context: a[0]]]", "a[0]", [("context", "a[0]")]),
        ("[[context: x [[example: y]] z]]", "x y z", [("context", "x y z"), ("example", "y")]),
        ("[[context: [[Wiki]]]]", "[[Wiki]]", [("context", "[[Wiki]]")]),
        ("[[1, 2], [3, 4]] [[context: [[1], [2]]]]", "[[1, 2], [3, 4]] [[1], [2]]", [("context", "[[1], [2]]")]),
        ("[[context: ]]x", "x", []),
        ("[[Wiki link]]", "[[Wiki link]]", []),
        ("if [[ -f x ]]; then", "if [[ -f x ]]; then", []),
        ("[[note: x]]", "[[note: x]]", []),
        ("[[contexts: x]]", "[[contexts: x]]", []),
        ("[[context: never closed", "[[context: never closed", []),
        ("closed only]]", "closed only]]", []),
        ("[[context x]]", "[[context x]]", []),
        ("[context: x]", "[context: x]", []),
        ("", "", []),
        (
            "[[context: 👨\u200d👩\u200d👧 東]] e\u0301",
            "👨\u200d👩\u200d👧 東 e\u0301",
            [("context", "👨\u200d👩\u200d👧 東")],
        ),
    ],
)
def test_parse(text, plain, found):
    assert named(text) == (plain, found)


@pytest.mark.parametrize(
    "text, names",
    [
        ("[[context: a]] [[b]] ]]", ()),
        ("[[question: why", ("question",)),
        ("[[context#: a ]] [[Example: b", ("example", "context")),
        ("[[context: a [[question: b]]", ("context",)),
        ("if [[ -f x ]]; then [[wiki", ()),
    ],
)
def test_marks_that_are_never_closed_are_named(text, names):
    assert unclosed_marks(text) == names


def test_the_message_is_kept():
    assert parse_marks("[[question: a]]", 3)[1] == (Segment("question", 3, 0, 1),)


letters = st.text(alphabet="ab .\n東é", min_size=1, max_size=8)
pieces = st.lists(st.tuples(st.sampled_from((*SEGMENTS, "")), letters), max_size=6)


@given(pieces)
def test_mark_and_parse_are_inverse(parts):
    plain, segments = "", []
    for name, text in parts:
        if name:
            segments.append(Segment(name, 0, len(plain), len(plain) + len(text)))
        plain += text
    assert parse_marks(write_marks(plain, segments)) == (plain, tuple(segments))


@given(st.text(alphabet="[]: acontexquions", max_size=40))
def test_nothing_but_marks_is_lost(text):
    plain, found = parse_marks(text)
    assert all(0 <= s.start < s.end <= len(plain) for s in found)
    assert len(plain) <= len(text)
    if not found and "[[context:" not in text.replace(" ", "") and "[[question:" not in text.replace(" ", ""):
        assert plain == text


@pytest.mark.parametrize(
    ("text", "plain", "found"),
    [
        ('[[context "a b.pdf": x]]', "x", [("context", "a b.pdf", "x")]),
        ('[[ Context  "a: b"  : x]]y', "xy", [("context", "a: b", "x")]),
        ("[[context “a”: x]]", "x", [("context", "a", "x")]),
        ('[[context "": x]]', "x", [("context", "", "x")]),
        ('[[context "a" b: x]]', '[[context "a" b: x]]', []),
        ("[[context#: a]] b#]]c", "a]] bc", [("context", "", "a]] b")]),
        ('[[context "a"##: [[question: b]]#]]##]]', "[[question: b]]#]]", [("context", "a", "[[question: b]]#]]")]),
        ("[[context#: never closed]]", "[[context#: never closed]]", []),
        ("[[context: a [[example#: ]]#]] b]]", "a ]] b", [("context", "", "a ]] b"), ("example", "", "]]")]),
    ],
)
def test_labels_and_texts_that_are_not_parsed(text, plain, found):
    read, segments = parse_marks(text)
    assert (read, [(s.name, s.label, read[s.start : s.end]) for s in segments]) == (plain, found)


@given(st.lists(st.tuples(st.sampled_from((*SEGMENTS, "")), st.text("[]#: context\n", min_size=1)), max_size=4))
def test_any_text_stands_whole_in_a_mark(parts):
    """Between two marks there is a word: brackets outside of marks were never told apart."""
    plain, segments = "", []
    for name, text in parts:
        if name:
            segments.append(Segment(name, 0, len(plain), len(plain) + len(text), "no. 1" * (len(text) % 2)))
        plain += text if name else " and "
    assert parse_marks(write_marks(plain, segments)) == (plain, tuple(segments))


@pytest.mark.parametrize(
    ("text", "label"),
    [(' a "b"\n c ', "a 'b' c"), ("x" * 80, "x" * 59 + "…"), ("“a”", "'a'"), ("", "")],
)
def test_a_label_is_one_line_that_a_mark_can_carry(text, label):
    assert segment_label(text) == label == segment_label(label)
    marked = write_marks("x", [Segment("context", 0, 0, 1, text)])
    assert parse_marks(marked)[1] == (Segment("context", 0, 0, 1, label),)


def test_only_names_that_are_stripped_again_are_written():
    parts = [Segment("instruction", 0, 0, 9), Segment("check 1", 0, 3, 9)]
    assert write_marks("Be brief. Why?", parts) == "[[instruction: Be brief.]] Why?"
