"""Turns an Importance into the JSON behind the two shaded texts: their units, and the matrix between them.

The texts are the originals (``Tokens.sources``), cut where units begin and end, so that spaces, line breaks and
punctuation between two words stay as they were; labels are used only where a unit has no span (markup). The
matrix travels as base64 of little-endian float32, and the uniform matrix as two vectors where it is their
product (nearly always), which halves the size. Drawn by reader.js; guarded by tests/core/test_charts_shaded_texts.py.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..importance import answer_mean, only_sinks, share_noun
from ..records import Importance, Source, Tokens, Units
from .overlays import Lines, Tint, text_overlays
from .text_labels import caption_of, plain_text, token_range, visible_label

ASSETS = Path(__file__).parent
BESIDE_LABELS = ("sink", "template", "system", "output")
HEADS = {"system": "System message", "user": "You", "assistant": "Assistant", "template": "Markup"}
HINTS = {"answer": "Click or drag", "input": "Click a word: which words of the answer read it?"}


def component_source() -> tuple[str, str]:
    """(JavaScript, CSS) of the reader: the same two files in Streamlit and in the self-contained page."""
    return (ASSETS / "reader.js").read_text("utf-8"), (ASSETS / "reader.css").read_text("utf-8")


def shaded_texts_data(
    importance: Importance,
    *,
    inputs: Literal["own", "all"] = "own",
    strength: float = 1.0,
    maximum: float | None = None,
    present: bool = False,
    sentence: bool = True,
    answer_title: str = "The answer",
    input_title: str | None = None,
    beside_text: Lines | None = None,
    marks: Collection[int] | None = None,
    tint: Tint | Sequence[float] | np.ndarray | None = None,
) -> dict[str, Any]:
    """JSON-able data for reader.js.

    ``importance`` has units of any granularity as rows (means over their steps) and columns. ``inputs="own"``
    shows the texts that the user wrote, ``"all"`` also markup and the template's own message; earlier output is
    never a column here. Shade = ``strength * value / maximum``, cut at 1; without ``maximum`` the largest value
    of the view, which the legend states. ``present``: large type. ``sentence`` shows what was read most in words
    (without it, only screen readers hear it). ``texts`` in the result names the texts and their
    units: while it stays the same, a picked span stays meaningful; ``version`` names the numbers too.

    Over the texts: ``beside_text`` a line or lines for each column of ``importance``, shown on hover;
    ``marks`` columns to mark; ``tint`` a signed number for each row, e.g. nats lost, as a colour under its word.
    Raises ValueError where their lengths do not fit.
    """
    tokens = importance.known_tokens
    columns = shown_columns(importance, inputs)
    picked = importance.values[:, columns]
    own = bool(tokens.sources) and all(
        m >= 0 and tokens.sources[m].origin == "user" for m in importance.columns.message[columns]
    )
    title = input_title or ("What you wrote" if own else "What the model read")
    answer = _answer(tokens, importance.rows) | {"title": answer_title, "hint": HINTS["answer"]}
    given = _input(tokens.sources, importance.columns, columns) | {"title": title, "hint": HINTS["input"], "own": own}
    data = {
        "answer": answer,
        "input": given,
        "values": packed_floats(picked),
        "uniform": packed_uniform(importance.uniform[:, columns]),
        "weight": packed_floats(np.bincount(importance.rows.unit, importance.rows.weight, len(importance.rows))),
        "beside": {name: packed_floats(share) for name, share in _beside(importance, picked).items()},
        "whole": _whole(tokens, importance.rows),
        "unit": importance.unit,
        "noun": share_noun(importance.method),
        "sinks": {"all": len(importance.sinks), "words": _sunk(importance, columns)},
        "rest": importance.unit == "share" and _dropped(importance),
        "caption": " · ".join(caption_of(importance)),
    }
    data["texts"] = _digest([data["answer"], data["input"]])
    data["version"] = _digest(sorted(data.items()))
    data |= text_overlays(columns, len(importance.rows), len(importance.columns), beside_text, marks, tint)
    return data | {"strength": float(strength), "maximum": maximum, "present": bool(present), "sentence": sentence}


def _sunk(importance: Importance, columns: np.ndarray) -> list[int]:
    """Places among ``columns`` whose every token is a sink that was left out: their own share is not in ``values``."""
    if importance.parameters.get("sink", "keep") == "keep":
        return []
    return np.flatnonzero(only_sinks(importance)[columns]).tolist()


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:16]


def packed_floats(values: np.ndarray) -> str:
    """Returns ``values`` as base64 of little-endian float32, in C order: how every matrix travels to a page."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def packed_uniform(matrix: np.ndarray) -> dict[str, str]:
    """Returns the matrix as ``row`` and ``column`` where it is their outer product to 1e-5, else as ``full``."""
    if matrix.size and matrix.max() > 0:
        r, c = np.unravel_index(np.argmax(matrix), matrix.shape)
        row, column = matrix[:, c] / matrix[r, c], matrix[r]
        if np.allclose(np.outer(row, column), matrix, rtol=1e-5, atol=1e-9):
            return {"row": packed_floats(row), "column": packed_floats(column)}
    return {"full": packed_floats(matrix)}


def _beside(importance: Importance, picked: np.ndarray) -> dict[str, np.ndarray]:
    """{group: [row]} printed beside the texts, in shares of the whole; a system message only where there is one."""
    out = {}
    if importance.unit == "share":
        kept = 1 - importance.shares["sink"] if _dropped(importance) else 1
        out["shown"] = picked.sum(1) * kept
    for name in BESIDE_LABELS:
        if name in importance.shares and (name != "system" or importance.shares[name].any()):
            out[name] = importance.shares[name]
    return out


def _dropped(importance: Importance) -> bool:
    """The rows were scaled back to one without the sink."""
    return importance.parameters.get("sink") == "drop" and "sink" in importance.shares


def strongest_shade(importance: Importance, rows: np.ndarray) -> float:
    """Returns the largest mean over ``rows`` of the values of a shown input unit; 0 where there is none."""
    values = answer_mean(importance, rows)[0][shown_columns(importance)] if len(rows) else np.zeros(0)
    return float(values.max(initial=0.0))


def shown_columns(importance: Importance, inputs: str = "own") -> np.ndarray:
    """int [C] columns that the reader shows, in its order: prompt only; the user's own texts where there are any.

    ``start`` and ``end`` of a picked span of the input count in these.
    """
    first, _ = token_range(importance.columns)
    tokens = importance.known_tokens
    prompt = first < tokens.prompt_length
    origin = [s.origin == "user" for s in tokens.sources] + [False]
    own = prompt & np.array(origin, dtype=bool)[importance.columns.message]
    return np.flatnonzero(own if inputs == "own" and own.any() else prompt)


def _whole(tokens: Tokens, rows: Units) -> list[int]:
    """[first, last + 1] of the units that make up the answer itself, without thinking and end token."""
    kinds = _parts(tokens, rows)
    answer = [i for i, part in enumerate(kinds) if part == "answer"]
    return [answer[0], answer[-1] + 1] if answer else [0, len(rows)]


def _parts(tokens: Tokens, rows: Units) -> list[str]:
    first, _ = token_range(rows)
    return [tokens.parts[i] if i >= 0 else "answer" for i in first]


def _answer(tokens: Tokens, rows: Units) -> dict[str, Any]:
    order = np.arange(len(rows))
    units = _pieces(tokens.sources, rows, order, {})
    first, last = token_range(rows)
    for unit, part, a, b in zip(units, _parts(tokens, rows), first, last, strict=True):
        if part != "answer":
            unit["k"] = part
        a, b = int(a) - tokens.prompt_length + 1, int(b) - tokens.prompt_length + 1
        unit["n"] = f"step {a}" if a == b else f"steps {a} to {b}"
    groups = [{"head": "", "from": 0, "to": len(units), "tail": _tail(tokens.sources, rows, order)}]
    return {"units": units, "groups": groups if units else [], "empty": "The answer is empty."}


def _input(sources: Sequence[Source], columns: Units, picked: np.ndarray) -> dict[str, Any]:
    """Units grouped by message; a heading a message, unless the user's one message is all there is."""
    message = columns.message[picked]
    cuts = [0, *(np.flatnonzero(np.diff(message)) + 1).tolist(), len(picked)] if len(picked) else [0]
    units: list[dict[str, Any]] = []
    groups = []
    read: dict[int, int] = {}
    single = len(cuts) == 2 and len(picked) > 0 and message[0] >= 0 and sources[message[0]].role == "user"
    for a, b in itertools.pairwise(cuts):
        m = int(message[a])
        units += _pieces(sources, columns, picked[a:b], read)
        head = "" if single else _head(sources[m] if m >= 0 else None)
        groups.append(
            {"head": head, "from": a, "to": b, "tail": "" if m in message[b:] else _tail(sources, columns, picked[a:b])}
        )
    return {"units": units, "groups": groups, "empty": "Nothing of the prompt is shown."}


def _head(origin: Source | None) -> str:
    if origin is None:
        return HEADS["template"]
    return HEADS[origin.role] + (" (added by the template)" if origin.origin == "template" else "")


def _pieces(sources: Sequence[Source], units: Units, order: np.ndarray, read: dict[int, int]) -> list[dict[str, Any]]:
    """Per unit its text as written (``t``) and what stands between it and the unit before (``g``).

    ``read`` says how far each text was written out already; it is carried along.
    """
    out: list[dict[str, Any]] = []
    for u in order:
        m, start, end = int(units.message[u]), int(units.start[u]), int(units.end[u])
        if m < 0 or start < 0:
            piece: dict[str, Any] = {"t": visible_label(units.labels[u], 60), "k": "markup"}
            if out:
                piece["g"] = " "
            out.append(piece)
            continue
        text, seen = sources[m].text, read.get(m, 0)
        piece = {"t": plain_text(text[max(start, seen) : end]) or "·"}
        gap = plain_text(text[seen:start]) if start > seen else ""
        if gap:
            piece["g"] = gap
        read[m] = max(seen, end)
        out.append(piece)
    return out


def _tail(sources: Sequence[Source], units: Units, order: np.ndarray) -> str:
    """What stands after the last unit of its text."""
    spans = [(int(units.message[u]), int(units.end[u])) for u in order if units.message[u] >= 0 and units.end[u] >= 0]
    return plain_text(sources[spans[-1][0]].text[max(e for _, e in spans) :]) if spans else ""
