"""Reads documents (.txt, .md, .pdf) as plain text, and puts them before a question as marked parts of the prompt.

Each document becomes ``[[context "its name": ...]]``, so that everything that follows parts of a prompt (importance by
segment, knock-outs, steering) follows each document by itself. The model reads the text alone: mark and name are
stripped. PDFs are read by pypdf, which gives the text in the order in which the file draws it; nothing is guessed about
columns or hyphens, and a scan, which holds pictures of text, has none.

Guarded by tests/core/test_text_document_text.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

from ..checks import short_repr
from ..ended_process import EndedEarly, run_ended
from ..errors import PromptError, error_reason
from ..records import Segment
from .segment_marks import segment_label, write_marks

DOCUMENT_TYPES = (".txt", ".md", ".pdf")
MOST_BYTES = 50_000_000
MOST_CHARACTERS = 2_000_000
"""Some 500,000 tokens: more than any model reads here, and still quick to edit, hash and store."""
PDF_SECONDS, PDF_BYTES = 120.0, 2 << 30
"""Processor time and memory that reading a PDF may take."""
BETWEEN = "\n\n"
"""Stands between two documents, and before the question."""

_BOMS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")
_ENDED = {
    "time": f"it takes longer than {PDF_SECONDS:.0f} s",
    "memory": f"it takes more than {PDF_BYTES >> 30} GB",
    "crash": "its reader broke off",
}
_WHOLE_PROMPT = "Documents stand before a question that is text or chat messages, not before token ids."


@dataclass(frozen=True)
class Document:
    """A text to read, and what it is called."""

    name: str
    """At most 60 characters; "" for a passage that only its number tells apart."""
    text: str
    notes: tuple[str, ...] = ()
    """What a person should know of how it was read, in sentences."""


def read_document(name: str, data: bytes) -> Document:
    """Returns the text of a file called ``name`` whose bytes are ``data``.

    Raises PromptError with one sentence and the remedy: another kind of file, too large, no text in it, locked.
    """
    label = segment_label(PurePath(name).name) or "document"
    suffix = PurePath(name).suffix.lower()
    if suffix not in DOCUMENT_TYPES:
        raise PromptError(
            f"{label} is no document that can be read here: save it as {', '.join(DOCUMENT_TYPES[:-1])} or "
            f"{DOCUMENT_TYPES[-1]}, or paste its text."
        )
    if len(data) > MOST_BYTES:
        raise PromptError(
            f"{label} has {len(data) / 1e6:,.0f} MB, and at most {MOST_BYTES / 1e6:,.0f} MB are read: split it."
        )
    is_pdf = suffix == ".pdf" or data.startswith(b"%PDF-")
    text, notes = _pdf_text(label, data) if is_pdf else _decoded(label, data)
    return Document(label, _checked(label, tidy_text(text)), notes)


def document_of(source: Any) -> Document:
    """Returns the document of a path, of a passage, or of what is one already.

    A ``Path``, and a one-line string that ends in .txt, .md or .pdf, is a file; any other string is the passage
    itself. Raises PromptError where the file is missing or cannot be read.
    """
    if isinstance(source, Document):
        return source
    is_name = isinstance(source, str) and "\n" not in source and source.lower().endswith(DOCUMENT_TYPES)
    if isinstance(source, Path) or is_name:
        path = Path(source).expanduser()
        try:
            return read_document(path.name, path.read_bytes())
        except OSError as error:
            raise PromptError(f"The document {path} cannot be read ({error.strerror}): check the path.") from error
    if not isinstance(source, str):
        raise PromptError(f"A document is a path or a passage of text, not {short_repr(source)}.")
    return passage_of("", source)


def passage_of(name: str, text: str) -> Document:
    """Returns a passage under a name. Raises PromptError where it is empty or too long."""
    label = segment_label(name)
    return Document(label, _checked(label or "The passage", tidy_text(text)))


def with_documents(question: str, documents: Sequence[Any]) -> str:
    """Returns ``question`` with documents before it, each as ``[[context "its name": ...]]``.

    ``documents``: paths, passages or ``Document``s, as ``document_of`` takes them. Raises PromptError.
    """
    text, segments = "", []
    if isinstance(documents, (str, Path, Document)):
        documents = [documents]
    for document in map(document_of, documents):
        text += BETWEEN * bool(text)
        segments.append(Segment("context", 0, len(text), len(text) + len(document.text), document.name))
        text += document.text
    return BETWEEN.join(part for part in (write_marks(text, segments), question) if part)


def prompt_with_documents(prompt: Any, documents: Sequence[Any]) -> Any:
    """Returns a prompt as ``run`` takes it with documents before its text, or before its last message's."""
    if isinstance(prompt, str):
        return with_documents(prompt, documents)
    messages = list(prompt) if isinstance(prompt, Iterable) else []
    last = messages[-1] if messages else None
    fields = last if isinstance(last, dict) else getattr(last, "__dict__", {})
    if not isinstance(fields.get("content"), str):
        raise PromptError(_WHOLE_PROMPT)
    asked = with_documents(fields["content"], documents)
    return [*messages[:-1], {"role": fields.get("role"), "content": asked}]


def split_documents(text: str, segments: Sequence[Segment]) -> tuple[tuple[Document, ...], str]:
    """Returns the named documents that ``with_documents`` put before a question, and the question with its marks.

    ``text`` and ``segments`` are one message without its marks. Parts marked by hand have no label and stay where they
    are.
    """
    at, found = 0, []
    for s in sorted(segments, key=lambda s: (s.start, -s.end)):
        inside = [o for o in segments if o is not s and o.start < s.end and s.start < o.end]
        ends = len(text) == s.end or text.startswith(BETWEEN, s.end)
        if not (s.name == "context" and s.label and s.start == at and ends) or inside:
            break
        found.append(Document(s.label, text[s.start : s.end]))
        at = min(s.end + len(BETWEEN), len(text))
    rest = [Segment(s.name, s.message, s.start - at, s.end - at, s.label) for s in segments if s.start >= at]
    return tuple(found), write_marks(text[at:], rest)


def tidy_text(text: str) -> str:
    """Returns ``text`` with ``\\n`` lines, page breaks as blank lines, and without control characters or its edges."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n")
    text = _CONTROLS.sub("", re.sub(r"[ \t]*\n*\f\n*", "\n\n", text))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip("\n").rstrip()


def _checked(label: str, text: str) -> str:
    if not text.strip():
        raise PromptError(f"{label} is empty: there is no text in it to read.")
    if len(text) > MOST_CHARACTERS:
        raise PromptError(
            f"{label} has {len(text):,} characters, and at most {MOST_CHARACTERS:,} are read: keep the part that "
            "matters."
        )
    return text


def _decoded(label: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """Returns the text of a file and notes: by its byte order mark, else UTF-8, else Windows-1252."""
    told = f"{label} is no plain text: save it as UTF-8 text, or as a PDF if it is one."
    named = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    try:
        if named is not None:
            return data.decode(named), ()
        if b"\0" in data:
            raise PromptError(told)
        return _readable(data.decode("utf-8-sig"), told), ()
    except UnicodeDecodeError as error:
        if named is not None:
            raise PromptError(f"{label} says that it is {named.upper()} and is not: save it as UTF-8 text.") from error
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise PromptError(told) from error
    return _readable(text, told), (f"{label} is not UTF-8 and was read as Windows-1252: check its special characters.",)


def _readable(text: str, told: str) -> str:
    """Returns ``text``; raises PromptError where more than one character in a hundred is a control character."""
    if len(_CONTROLS.findall(text)) > len(text) / 100:
        raise PromptError(told)
    return text


def _pdf_text(label: str, data: bytes) -> tuple[str, tuple[str, ...]]:
    """Returns the text of a PDF, page by page, and notes. Raises PromptError."""
    try:
        pages = json.loads(run_ended(pdf_pages, data, label, seconds=PDF_SECONDS, memory=PDF_BYTES))
    except EndedEarly as error:
        raise PromptError(
            f"{label} cannot be read as a PDF ({_ENDED[error.why]}): save it anew, split it, or paste its text."
        ) from error
    empty = sum(not text.strip() for text in pages)
    if empty == len(pages):
        raise PromptError(
            f"{label} holds no text on its {len(pages)} page{'s' * (len(pages) != 1)}, as a scan does not: run a text "
            "recognition (OCR) over it, or paste its text."
        )
    notes = (f"{empty} of the {len(pages)} pages of {label} hold no text.",) if empty else ()
    return BETWEEN.join(text for text in pages if text.strip()), notes


def pdf_pages(data: bytes, label: str) -> bytes:
    """Returns the texts of a PDF's pages as a JSON list, as far as MOST_CHARACTERS. Raises PromptError.

    Called in a process that can be ended: pypdf follows whatever a file tells it to.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, WrongPasswordError

    locked = f"{label} is locked by a password: save a copy without one, or paste its text."
    pages: list[str] = []
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise PromptError(locked)
        for page in reader.pages:
            pages.append(page.extract_text() or "")
            if sum(map(len, pages)) > MOST_CHARACTERS:
                break
    except (PromptError, MemoryError):
        raise
    except DependencyError as error:
        raise PromptError(f"{label} is encrypted: save a copy that is not, or paste its text.") from error
    except (FileNotDecryptedError, WrongPasswordError) as error:
        raise PromptError(locked) from error
    except Exception as error:  # a damaged file fails in whatever part of the library meets it
        why = error_reason(error)[:200]
        raise PromptError(
            f"{label} cannot be read as a PDF ({why}): open it and save it anew, or paste its text."
        ) from error
    return json.dumps(pages).encode()
