"""Tests of documents: every encoding and kind of PDF, bad files in one sentence, and texts that survive their marks."""

from io import BytesIO

import numpy as np
import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from core import explain
from core.errors import PromptError
from core.records import Message, Request
from core.text import document_text as module
from core.text.document_text import (
    Document,
    document_of,
    prompt_with_documents,
    read_document,
    split_documents,
    tidy_text,
    with_documents,
)
from core.text.segment_marks import parse_marks
from tests.pages import made_up

PAGES = b"#set page(width: 8cm, height: 8cm)\nThe sky is blue.\n#pagebreak()\nGrass is green."


@pytest.fixture(scope="module")
def pdf():
    return typst.compile(PAGES)


def locked(data, password, **more):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    writer.encrypt(password, algorithm="RC4-128", **more)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_texts_are_read_in_their_encoding(encoding):
    assert read_document("a/b/Größe.TXT", "é 東 “x”\r\ny\n".encode(encoding)) == Document("Größe.TXT", "é 東 “x”\ny")
    assert read_document("x.txt", "\ufeffa".encode("utf-16-be")).text == "a"


def test_windows_text_is_read_with_a_note():
    found = read_document("a.md", "größer – “x”".encode("cp1252"))
    assert found.text == "größer – “x”" and "a.md is not UTF-8 and was read as Windows-1252" in found.notes[0]


def test_a_pdf_is_read_page_by_page(pdf):
    assert read_document("sky.pdf", pdf) == Document("sky.pdf", "The sky is blue.\n\nGrass is green.")
    assert read_document("wrong.txt", pdf).text.startswith("The sky"), "by what it is, not by its name"
    assert read_document("own.pdf", locked(pdf, "", owner_password="x")).text.startswith("The sky")
    half = read_document("half.pdf", typst.compile(PAGES + b"\n#pagebreak()\n#rect()"))
    assert half.notes == ("1 of the 3 pages of half.pdf hold no text.",)


def test_bad_files_are_one_sentence_with_the_remedy(pdf, monkeypatch):
    for name, data, told in (
        ("a.docx", b"x", "a.docx is no document that can be read here: save it as .txt, .md or .pdf, or paste"),
        ("a", b"x", "a is no document"),
        ("a.txt", b"PK\0\0", "a.txt is no plain text: save it as UTF-8"),
        ("a.txt", bytes(range(1, 32)) * 9, "a.txt is no plain text"),
        ("a.txt", b"\x81\x8d\xff", "a.txt is no plain text"),
        ("a.txt", b"\xff\xfea", "a.txt says that it is UTF-16 and is not"),
        ("a.txt", b" \n\f ", "a.txt is empty: there is no text"),
        ("a.pdf", b"hello", "a.pdf cannot be read as a PDF"),
        ("a.pdf", pdf[:4000], "a.pdf"),
        ("a.pdf", locked(pdf, "secret"), "a.pdf is locked by a password: save a copy without one"),
        ("a.pdf", typst.compile(b"#rect()"), "a.pdf holds no text on its 1 page, as a scan does not: run a text recog"),
    ):
        with pytest.raises(PromptError) as error:
            read_document(name, data)
        assert str(error.value).startswith(told) and str(error.value).count("\n") == 0
    monkeypatch.setattr(module, "MOST_CHARACTERS", 3)
    for name, data in (("a.txt", b"four"), ("a.pdf", pdf)):
        with pytest.raises(PromptError, match=r"characters, and at most 3 are read: keep the part that matters\.$"):
            read_document(name, data)
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    with pytest.raises(PromptError, match="at most 0 MB are read: split it"):
        read_document("a.txt", b"four")


def test_text_is_made_plain_and_nothing_else():
    assert tidy_text("\n\na-\r\nb\x00c \f\n d\te\x0bf\ud83d\udca1\ud800 \n") == "a-\nbc\n\n d\te\nf💡\ufffd"
    assert tidy_text("    code\n\n\n\nx") == "    code\n\n\n\nx"


def test_a_path_is_read_and_a_passage_is_itself(tmp_path):
    (tmp_path / "a.txt").write_text("The sky.")
    assert document_of(tmp_path / "a.txt") == document_of(str(tmp_path / "a.txt")) == Document("a.txt", "The sky.")
    assert document_of("It says a.txt\n.md") == Document("", "It says a.txt\n.md")
    assert document_of(Document("x", "y")) == Document("x", "y")
    for wrong, told in (("no.pdf", "no.pdf cannot be read"), (3, "not 3"), ("  ", "is empty")):
        with pytest.raises(PromptError, match=told):
            document_of(wrong)


def test_documents_stand_before_the_question():
    assert with_documents("Why?", [Document("a.txt", "One"), "Two"]) == (
        '[[context "a.txt": One]]\n\n[[context: Two]]\n\nWhy?'
    )
    assert with_documents("Why?", "Two") == "[[context: Two]]\n\nWhy?" and with_documents("Why?", []) == "Why?"
    assert with_documents("", ["Two"]) == "[[context: Two]]"
    marked = "[[context: Two]]\n\n[[question: Why?]]"
    assert prompt_with_documents("[[question: Why?]]", ["Two"]) == marked
    system = {"role": "system", "content": "x"}
    asked = [system, {"role": "user", "content": marked}]
    assert prompt_with_documents([system, Message("user", "[[question: Why?]]")], ["Two"]) == asked
    assert prompt_with_documents([system, {"role": "user", "content": "[[question: Why?]]"}], ["Two"]) == asked
    for ids in ([1, 2], [], 3):
        with pytest.raises(PromptError, match="not before token ids"):
            prompt_with_documents(ids, ["Two"])


passages = st.text("ab[]#: context\n", min_size=1).filter(str.strip).map(tidy_text)


@given(st.lists(st.tuples(st.sampled_from(("a.txt", "b.md")), passages), max_size=3), st.sampled_from(("", "Why?")))
def test_any_text_survives_and_is_found_again(pairs, question):
    documents = tuple(Document(*pair) for pair in pairs)
    text, segments = parse_marks(with_documents(question, documents))
    assert [text[s.start : s.end] for s in segments] == [d.text for d in documents]
    assert split_documents(text, segments) == (documents, question)


def test_what_was_marked_by_hand_stays_in_the_question():
    for marked in (
        "[[context: One]]\n\nWhy?",
        '[[question: Why?]]\n\n[[context "a.txt": One]]',
        '[[context "a.txt": One]] Why?',
        '[[context "a.txt": One [[example: two]]]]\n\nWhy?',
    ):
        assert split_documents(*parse_marks(marked)) == ((), marked)
    found = split_documents(*parse_marks('[[context "a.txt": One]]\n\n[[question: Why?]] [[example: x]]'))
    assert found == ((Document("a.txt", "One"),), "[[question: Why?]] [[example: x]]")


def test_each_passage_has_a_column_of_its_own():
    """Half of every row lies on a word of the first passage, a fifth on one of the second, the rest on the sink."""
    text, segments = parse_marks(with_documents("Why?", [Document("a.txt", "Sky blue."), Document("b.txt", "Sea.")]))
    trace = made_up.run(text)
    request = Request(trace.request.model, messages=(Message("user", text),), segments=segments)
    tokens, rows = trace.tokens, trace.rows
    weights = np.zeros((*rows.packed.shape[:2], len(tokens) - 1))
    weights[..., 0] = 0.3
    weights[..., tokens.texts.index("blue")] = 0.5
    weights[..., tokens.texts.index("Sea")] = 0.2
    packed = np.round(65535 * np.sqrt(weights)).astype(np.uint16)
    trace = made_up.replace(trace, request=request, rows=made_up.replace(rows, packed=packed, sums=weights.sum(-1)))
    found = explain(trace, "mean-attention", granularity="segment")
    shares = dict(zip(found.columns.labels, found.values[0], strict=True))
    assert shares["a.txt"] == pytest.approx(0.5, abs=1e-4) and shares["b.txt"] == pytest.approx(0.2, abs=1e-4)
    kept = explain(trace, "mean-attention", granularity="segment", sink="drop")
    shares = dict(zip(kept.columns.labels, kept.values[0], strict=True))
    assert shares["a.txt"] == pytest.approx(5 / 7, abs=1e-3) and shares["other · user"] == 0
