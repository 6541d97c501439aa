"""Turns a run into the JSON behind reading mode: the prompt as text, the answer as an outline of sentences beside it.

For long runs, where words by words are too much to look at: rows are the sentences of thinking and answer (means over
their steps), columns the words of the prompt for the shading and its sentences, here called passages, for the strip and
the lists of what was read most. A browser gets all of it at once and follows the answer without asking again. Words of
more than ``CELLS`` cells travel as shades of 8 bits: their numbers are then not said, those of passages always are.
Drawn by reading_mode.js; guarded by tests/core/test_charts_reading_mode.py.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from ..importance import group_rows
from ..records import Importance, Trace, Units
from ..text.answer_outline import answer_outline, written_part
from ..text.units import units
from .shaded_texts import ASSETS, component_source, packed_floats, packed_uniform, shaded_texts_data, shown_columns
from .text_labels import token_range

CELLS = 300_000
"""Sentences x words that travel as float32, in base64 1.6 MB."""
PERCENTILE = 99
"""Of the words' values in view: the value that is drawn darkest, so that one word does not bleach all others."""
MOST = 3
"""Passages that are named at each sentence of the answer."""
QUESTION_MARKS = ("?", "？", "؟", "՞", "\u037e")
"""What a question ends with; the last is the Greek mark."""

Explained = Callable[[str, str], Importance]
"""(granularity of the columns, "prompt" or "all") to the importance of a run with a row for each output token."""


def reading_source() -> tuple[str, str]:
    """Returns (JavaScript, CSS) of a component that draws reading mode where its data has an outline, else texts."""
    own = (ASSETS / "reading_mode.js").read_text("utf-8"), (ASSETS / "reading_mode.css").read_text("utf-8")
    return "\n".join((component_source()[0], own[0])), "\n".join((component_source()[1], own[1]))


def reading_mode_data(
    trace: Trace, explained: Explained, *, level: str = "word", strength: float = 1.0
) -> dict[str, Any]:
    """JSON-able data for reading_mode.js.

    ``explained`` gives the importance with a row for each output token; ``level`` is the granularity of the shading.
    All that ``shaded_texts_data`` gives for the outline's sentences as rows, and beside it: ``passages`` (``words``:
    [first, end) of the shown words, and values and uniform of sentences x passages), ``outline`` (number of sentences
    that are ``thinking``, its tokens, ``picks``: [first, end) of each sentence in the answer's units of ``level``),
    ``thinking`` (values and uniform of sentences x sentences of thinking; None where there is none), ``question`` (a
    passage). ``strength`` as in ``shaded_texts_data``. Raises MethodError where spans are not proven.
    """
    outline, thoughts = answer_outline(trace.tokens)
    words = group_rows(explained(level, "prompt"), outline)
    data = shaded_texts_data(words, strength=strength, answer_title="The answer by sentence")
    shown = shown_columns(words)
    if len(outline) * len(shown) > CELLS:
        data |= {"values": "", "uniform": {"row": "", "column": ""}, "shades": _shades(words.values[:, shown])}
    passages = group_rows(explained("sentence", "prompt"), outline)
    spans, columns = passage_spans(words.columns, shown, passages.columns)
    data["passages"] = {
        "words": spans,
        "values": packed_floats(passages.values[:, columns]),
        "uniform": packed_uniform(passages.uniform[:, columns]),
    }
    data["outline"] = {
        "thinking": thoughts,
        "tokens": len(written_part(trace.tokens, "thinking")),
        "picks": _picks(trace, outline, level),
    }
    data["thinking"] = _thinking(trace, explained("token", "all"), outline, thoughts) if thoughts else None
    data["question"] = _question(trace, passages.columns, columns)
    return data | {"percentile": PERCENTILE, "most": MOST}


def passage_spans(words: Units, shown: np.ndarray, sentences: Units) -> tuple[list[list[int]], np.ndarray]:
    """Returns the passages in the order of the text: [first, end) among ``shown`` words, and int [P] their sentences.

    A word lies in the sentence in which it begins; a sentence without a shown word is no passage.
    """
    place = {(int(m), int(a)): u for u, (m, a) in enumerate(zip(sentences.message, sentences.start, strict=True))}
    starts = {int(m): np.sort(sentences.start[sentences.message == m]) for m in np.unique(sentences.message)}
    first, _ = token_range(words)
    of_token = dict(zip(sentences.token.tolist(), sentences.unit.tolist(), strict=True))
    spans: list[list[int]] = []
    found: list[int] = []
    for at, column in enumerate(shown):
        message, start = int(words.message[column]), int(words.start[column])
        unit = of_token[int(first[column])]
        if start >= 0 and message in starts:
            k = max(int(np.searchsorted(starts[message], start, "right")) - 1, 0)
            unit = place[message, int(starts[message][k])]
        if found and found[-1] == unit:
            spans[-1][1] = at + 1
        else:
            spans.append([at, at + 1])
            found.append(unit)
    return spans, np.array(found, int)


def _shades(values: np.ndarray) -> dict[str, str]:
    """Returns the square roots of each row's positive values as parts of 255 of its largest, and that largest."""
    kept = np.maximum(values, 0)
    top = kept.max(1, initial=0.0)
    parts = np.sqrt(kept / np.where(top > 0, top, 1)[:, None])
    return {
        "top": packed_floats(top),
        "parts": base64.b64encode(np.round(255 * parts).astype(np.uint8).tobytes()).decode("ascii"),
    }


def _picks(trace: Trace, outline: Units, level: str) -> list[list[int]]:
    """Returns, for each sentence, [first, end) of the answer's units of ``level`` that its tokens lie in."""
    rows = units(trace.tokens, level, range(trace.prompt_length, len(trace.tokens)))
    out = []
    for sentence in range(len(outline)):
        mine = rows.unit[np.isin(rows.token, outline.tokens_of(sentence))]
        out.append([int(mine.min()), int(mine.max()) + 1])
    return out


def _thinking(trace: Trace, tokens: Importance, outline: Units, count: int) -> dict[str, Any]:
    """Returns what each sentence of the outline read of each sentence of the thinking: values and uniform."""
    found = group_rows(tokens, outline)
    part = written_part(trace.tokens, "thinking")
    inside = outline.unit < count
    own = np.isin(outline.token, tokens.columns.token) & inside
    sums = np.zeros((found.values.shape[1], count), np.float32)
    np.add.at(sums, (outline.token[own], outline.unit[own]), outline.weight[own])
    return {
        "tokens": len(part),
        "values": packed_floats(found.values @ sums),
        "uniform": packed_uniform(found.uniform @ sums),
    }


def _question(trace: Trace, sentences: Units, columns: np.ndarray) -> dict[str, Any]:
    """Returns the passage with the question: the marked one, else the last that ends in a question mark, else the last.

    Only the last message of the user is looked at; "name" says which of them it is.
    """
    marked = next((s for s in trace.request.segments if s.name == "question"), None)
    if marked is not None:
        inside = (sentences.message[columns] == marked.message) & (sentences.end[columns] > marked.start)
        if inside.any():
            return {"passage": int(np.flatnonzero(inside)[0]), "name": "Question"}
    sources = trace.tokens.sources
    users = [m for m, s in enumerate(sources) if s.role == "user" and s.origin == "user"]
    mine = np.flatnonzero(sentences.message[columns] == users[-1]) if users else np.arange(0)
    asking = [p for p in mine if sources[users[-1]].text[: sentences.end[columns[p]]].rstrip().endswith(QUESTION_MARKS)]
    if asking:
        return {"passage": int(asking[-1]), "name": "Question"}
    return {"passage": max(len(columns) - 1, 0), "name": "End"}
