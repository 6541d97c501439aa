"""The two shaded texts at rest: what the reader shows for one picked word, as words, shades and lines, for any format.

Made from the very data that reader.js draws (``shaded_texts_data``), so a file cannot say another number than the page.
Guarded by tests/core/test_charts_shaded_files.py, which reads the numbers back out of every format.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ..importance import reading_sentence
from ..importance.reading_summary import answer_rows
from ..records import Importance
from ..version import __version__
from .shaded_texts import shaded_texts_data
from .text_labels import percent_text, settings_line, significant_digits, visible_label

SHADE, PICKED, ABOVE, BELOW = "#6aaef0", "#c77700", "#e8913f", "#5b8fd9"
"""Shade and frame of a picked word, as in reader.css on white; for signed numbers orange above 0 and blue below."""
HIGHEST = 5
"""Words whose numbers are written out under the texts, since paper has no hover."""
SUNK = "a sink of this run, left out"


class PickedSpan(NamedTuple):
    """What is picked in the texts: units ``start`` to ``end`` (excluded) of the answer, or of the input as shown."""

    side: Literal["answer", "input"]
    start: int
    end: int


class ShadedWord(NamedTuple):
    """A word of a shaded text: how strongly it is shaded, and what hovering over it says."""

    text: str
    gap: str
    """What stands between it and the word before."""
    strength: float
    """0 to 1; below 0: the other colour."""
    hover: str
    kind: str = ""
    """"markup", "end" or "thinking" as in reader.js, "picked", "sunk"; else empty."""


class ShadedGroup(NamedTuple):
    """The words of one message, with its heading and what stands after its last word."""

    head: str
    words: tuple[ShadedWord, ...]
    tail: str = ""


class ShadedText(NamedTuple):
    """One of the texts, by messages."""

    title: str
    groups: tuple[ShadedGroup, ...]
    signed: bool = False
    """Above 0 is orange, below is blue; else all is blue."""


class ShadedSheet(NamedTuple):
    """Everything that a file of the two texts says."""

    texts: tuple[ShadedText, ...]
    sentence: str
    scale: str
    """What the shade means."""
    full: str
    """The value of the full shade; empty where nothing may be read off the texts."""
    highest: str
    """The highest values in words."""
    caption: str
    """Which weights, which settings, which run, what is picked, which Heed."""


def shaded_sheet(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> ShadedSheet:
    """The texts with the values of ``picked`` (default: the mean over the answer). ``shown`` as ``shaded_texts_data``.

    ``sentence`` (default: what was read most over the whole answer; none of a picked span) stands above the legend.
    Raises ValueError for a span that the texts do not have.
    """
    data = shaded_texts_data(importance, **shown)
    rows, columns = len(data["answer"]["units"]), len(data["input"]["units"])
    span = picked or PickedSpan("answer", *data["whole"])
    if picked and not 0 <= span.start < span.end <= (rows if span.side == "answer" else columns):
        raise ValueError(
            f"Picked are {span.side} units {span.start} to {span.end}, but there are {rows} and {columns}."
        )
    whole = span == ("answer", *data["whole"])
    values, uniform = _span_values(data, span)
    top = float(values.max(initial=0.0))
    limit = float(top if data["maximum"] is None else data["maximum"]) / (data["strength"] or 1)
    hovers = [_hover(data, span, k, values[k], uniform[k]) for k in range(len(values))]
    blank = data["unit"] == "none"
    shades = np.clip(values / limit, 0, 1) if limit > 0 and not blank else np.zeros(len(values))
    other = "input" if span.side == "answer" else "answer"
    sides = {
        other: _words(data, other, [float(s) for s in shades], [] if blank else hovers),
        span.side: _words(data, span.side, [], [], () if whole else range(span.start, span.end)),
    }
    if sentence is None:
        sentence = reading_sentence(importance, answer_rows(importance), "the whole answer") if whole else ""
    more = " and more" if top > limit * 1.000001 else ""
    return ShadedSheet(
        texts=tuple(_text(data[side], sides[side]) for side in ("input", "answer")),
        sentence=sentence,
        scale=_scale(data, span, whole),
        full="" if blank else _amount(limit, data["unit"]) + more,
        highest="" if blank else _highest(data[other]["units"], values, hovers),
        caption=" · ".join(
            (importance.model, settings_line(importance), f"picked: {_picked_name(data, span, whole)}", made_with())
        ),
    )


def made_with() -> str:
    """Returns which Heed made a file."""
    return f"Heed {__version__}"


def _floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)


def _span_values(data: Mapping[str, Any], span: PickedSpan) -> tuple[np.ndarray, np.ndarray]:
    """(value, uniform) of each unit of the other text: mean over an answer span's steps, or sum over an input span.

    As Matrix.read and Matrix.readBy in reader.js.
    """
    rows, columns = len(data["answer"]["units"]), len(data["input"]["units"])
    values = _floats(data["values"]).reshape(rows, columns)
    even = data["uniform"]
    full = _floats(even["full"]).reshape(rows, columns) if "full" in even else None
    uniform = np.outer(_floats(even["row"]), _floats(even["column"])) if full is None else full
    if span.side == "input":
        return values[:, span.start : span.end].sum(1), uniform[:, span.start : span.end].sum(1)
    weight = _floats(data["weight"])[span.start : span.end]
    weight = weight / (weight.sum() or 1)
    return weight @ values[span.start : span.end], weight @ uniform[span.start : span.end]


def _amount(value: float, unit: str) -> str:
    """As amountText in reader.js."""
    if unit == "share":
        return percent_text(value)
    return f"{significant_digits(value)} nats" if unit == "nats" else f"score {significant_digits(value)}"


def _hover(data: Mapping[str, Any], span: PickedSpan, k: int, value: float, uniform: float) -> str:
    if span.side == "answer" and k in data["sinks"]["words"]:
        return SUNK
    times = f", {significant_digits(value / uniform)} × uniform" if uniform > 0 else ""
    return _amount(value, data["unit"]) + times


def _words(
    data: Mapping[str, Any],
    side: str,
    shades: Sequence[float],
    hovers: Sequence[str],
    picked: Iterable[int] = (),
) -> list[ShadedWord]:
    framed, sunk = set(picked), set(data["sinks"]["words"] if side == "input" else ())
    out = []
    for k, unit in enumerate(data[side]["units"]):
        kind = "picked" if k in framed else "sunk" if k in sunk else unit.get("k", "")
        shade, hover = shades[k] if len(shades) else 0.0, hovers[k] if len(hovers) else ""
        out.append(ShadedWord(unit["t"], unit.get("g", ""), shade, hover, kind))
    return out


def _text(part: Mapping[str, Any], words: Sequence[ShadedWord]) -> ShadedText:
    groups = [ShadedGroup(g["head"], tuple(words[g["from"] : g["to"]]), g["tail"]) for g in part["groups"]]
    return ShadedText(part["title"], tuple(groups) or (ShadedGroup("", (), part["empty"]),))


def _scale(data: Mapping[str, Any], span: PickedSpan, whole: bool) -> str:
    """What the shade means, as the hover on the page says it."""
    if data["unit"] != "share":
        return "nats of the answer's log-probability" if data["unit"] == "nats" else "score"
    what = data["noun"]
    if data["rest"]:
        what += f" outside the {'sinks' if data['sinks']['all'] > 1 else 'sink'}"
    if whole:
        return f"share of the answer's {what} (mean over its steps)"
    if span.side == "input":
        return f"share of each answer word's {what} (mean over its steps)"
    steps = round(float(_floats(data["weight"])[span.start : span.end].sum()))
    return f"share of the {what} of these {steps} steps (mean)" if steps > 1 else f"share of this step's {what}"


def _highest(units: Sequence[Mapping[str, Any]], values: np.ndarray, hovers: Sequence[str]) -> str:
    """The largest values in words, whatever their word is: punctuation counts, since it is shaded too."""
    order = [int(k) for k in np.argsort(-values, kind="stable")[:HIGHEST] if values[k] > 0]
    parts = [f"“\u2068{visible_label(units[k]['t'], 40)}\u2069” {hovers[k]}".replace(" %", "\u00a0%") for k in order]
    return f"Highest: {'; '.join(parts)}" if parts else ""


def _picked_name(data: Mapping[str, Any], span: PickedSpan, whole: bool) -> str:
    if whole:
        return "the whole answer (mean)"
    text = "".join(
        u.get("g", "") * (n > 0) + u["t"] for n, u in enumerate(data[span.side]["units"][span.start : span.end])
    )
    return f"“{visible_label(' '.join(text.split()), 60)}” of the {'answer' if span.side == 'answer' else 'prompt'}"


def text_lines(group: ShadedGroup) -> list[list[ShadedWord]]:
    """The words of a group cut at line breaks, for formats that set lines one by one; blank lines are empty lists."""
    lines: list[list[ShadedWord]] = [[]]
    for word in (*group.words, ShadedWord("", group.tail, 0.0, "")):
        *ended, gap = word.gap.split("\n")
        for rest in ended:
            if rest.strip():
                lines[-1].append(ShadedWord(rest, "", 0.0, ""))
            lines.append([])
        for n, piece in enumerate(word.text.split("\n")):
            if n:
                lines.append([])
            if piece or gap.strip():
                lines[-1].append(word._replace(text=piece, gap=gap))
            gap = ""
    while lines and not any(w.text for w in lines[-1]):
        lines.pop()
    return lines


def is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is Arabic, Hebrew or another script written from the right."""
    directions = (unicodedata.bidirectional(c) for c in text)
    return next((d for d in directions if d in ("L", "R", "AL")), "L") != "L"


def mixed_colour(strength: float, signed: bool = False) -> str:
    """The shade on white as #rrggbb: ``strength`` of the colour. ``signed``: orange above 0, blue below."""
    colour = SHADE if not signed else ABOVE if strength > 0 else BELOW
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    t = min(1.0, abs(strength))
    return "#" + "".join(f"{round(255 + t * (p - 255)):02x}" for p in parts)


def sheet_json(value: Any) -> str:
    """Any data as JSON for a template; lone surrogates replaced."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
