"""Formats numbers and text for charts, so that they read the same on every chart.

A token may be a space, a line break, a control character or a bidi override that would turn the rest of a page around;
none of them may reach a label as it is. Labels are never positions: two equal words stay two. To add a figure: format
its labels with these functions. Guarded by tests/core/test_charts_text_labels.py.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import regex

from ..importance import share_noun
from ..records import Importance, Units
from ..text import display_text

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C")
"""Eight colours that colour-blind readers can tell apart (Okabe and Ito 2008); grey for black, for dark pages."""
VIRIDIS = (
    "#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e",
    "#1f988b", "#22a884", "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725",
)  # fmt: skip
"""Sixteen steps of viridis, for pictures and canvases that no chart library draws."""
GREY = "#808a96"
"""Colour of what is not there: layers without attention, cells that could not be read."""
SUBTITLE = "#737e8b"
STRETCH = {"type": "fit-x", "contains": "padding"}
"""A page stretches the width (labels and legend included); the height stays that of the cells."""
SIDES = 250
"""Approximate width of row labels and legend together, in pixels."""

_ISOLATES = "\u2068\u2069"
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
SINK_TEXTS = {"keep": "sink shown", "separate": "sink left out", "drop": "sink left out, rest scaled to 1"}
"""The words of the control *Sink* in captions. Scores have no total to scale to: there both say “left out”."""


def plain_text(text: str) -> str:
    """Returns ``text`` as running text: no bidi overrides, control characters as visible pictures, breaks kept."""
    text = text.translate(_BIDI).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(_picture(c) if _control(c) else c for c in text)


def visible_label(text: str, width: int = 24) -> str:
    """Returns ``text`` as a chart label (core.text.display_text), at most ``width`` graphemes, never empty.

    Canvas and SVG draw each label by itself, so the isolates that keep a line of HTML in order come off.
    """
    shown = display_text.visible_text(text.strip(_ISOLATES)).strip(_ISOLATES)
    if len(shown) <= width:  # no more graphemes than characters
        return shown or "∅"
    parts = regex.findall(r"\X", shown)
    return (shown if len(parts) <= width else "".join(parts[: width - 1]) + "…") or "∅"


def _control(c: str) -> bool:
    return c not in "\n\t" and (unicodedata.category(c) == "Cc" or unicodedata.category(c) in ("Cs", "Cn"))


def _picture(c: str) -> str:
    return chr(0x2400 + ord(c)) if ord(c) < 32 else "␡" if ord(c) == 127 else "\ufffd"


def significant_digits(x: float, n: int = 3) -> str:
    """Formats ``x`` with ``n`` significant digits, without an exponent down to a millionth."""
    if not math.isfinite(x):
        return "not known"
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(x)))
    if size < -6 or size > 9:
        return f"{x:.{n - 1}e}"
    return f"{x:.{max(n - 1 - size, 0)}f}"


def percent_text(share: float) -> str:
    """Formats a share (0 to 1) as a percentage: ``0.0417`` is ``4.17 %``."""
    return f"{significant_digits(100 * share)} %"


def multiple_text(value: float, uniform: float) -> str:
    """Formats ``value`` as a multiple of ``uniform``; says so where the uniform share is 0."""
    if not uniform > 0:
        return "nothing to read here"
    return f"{significant_digits(value / uniform)} × uniform"


def value_text(value: float, unit: str) -> str:
    """Formats a cell's value: a percentage for shares, plain digits for scores."""
    return percent_text(value) if unit == "share" else significant_digits(value)


def legend_title(unit: str, method: str = "") -> str:
    """Returns the legend's title for values of this unit, by this method."""
    return {"share": f"share of {share_noun(method)}", "nats": "log-probability (nats)"}.get(unit, "score")


def settings_line(importance: Importance) -> str:
    """Returns method, layers, heads, sink, granularity and run in one line."""
    parameters: Mapping[str, Any] = importance.parameters
    parts = [importance.method]
    for name in ("layers", "heads"):
        if parameters.get(name) not in (None, (), []):
            parts.append(f"{name} {_listed(parameters[name])}")
    sink = parameters.get("sink")
    if sink is not None:
        scaled = importance.unit == "share"
        parts.append(SINK_TEXTS.get("separate" if sink == "drop" and not scaled else str(sink), f"sink {sink}"))
    parts.append(f"answer by {importance.rows.granularity}, input by {importance.columns.granularity}")
    parts.append(f"run {importance.trace_id[:8]}")
    return " · ".join(parts)


def caption_of(importance: Importance, width: int = 60) -> list[str]:
    """Returns the caption of every figure and export: the weights, then the settings, in lines that fit a phone."""
    lines = [importance.model] if importance.model else []
    line = ""
    for part in settings_line(importance).split(" · "):
        if line and len(line) + len(part) + 3 > width:
            lines.append(line)
            line = part
        else:
            line = f"{line} · {part}" if line else part
    return [*lines, line]


def _listed(value: Any) -> str:
    items = [str(v) for v in value] if isinstance(value, (list, tuple, np.ndarray, range)) else [str(value)]
    return ", ".join(items[:8]) + (f" and {len(items) - 8} more" if len(items) > 8 else "")


def thin_labels(n: int, pixels: float, need: float = 12) -> list[int]:
    """Returns the positions of labels to show when ``n`` of them share ``pixels`` and each needs ``need``."""
    every = max(1, math.ceil(need * n / max(pixels, 1)))
    return list(range(0, n, every))


def title_block(title: str, lines: Sequence[str]) -> dict[str, Any]:
    """Returns title and subtitle of a figure, in a grey that is legible on white and on dark pages."""
    look = {"anchor": "start", "offset": 12, "subtitlePadding": 4, "subtitleColor": SUBTITLE}
    return {"text": _literal(title), "subtitle": [_literal(line) for line in lines], **look}


def _literal(text: str) -> str:
    """Returns a title that Vega does not parse: "if" alone would be taken for its function of that name."""
    return f"{text}\u2060" if text == "if" else text


def first_output(importance: Importance, prompt_length: int | None = None) -> int:
    """Returns the position of the first output token: the given one, or the first token that a row stands for."""
    if prompt_length is not None:
        return prompt_length
    return int(importance.rows.token.min()) if len(importance.rows.token) else 0


def token_range(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Returns int64 [U]: first and last token position of each unit; -1 where a unit has no token."""
    first = np.full(len(units), np.iinfo(np.int64).max)
    last = np.full(len(units), -1)
    np.minimum.at(first, units.unit, units.token)
    np.maximum.at(last, units.unit, units.token)
    return np.where(last < 0, -1, first), last


def earlier_output(importance: Importance, prompt_length: int | None = None) -> np.ndarray:
    """Returns bool [column]: whether the column stands for earlier output, not for the prompt."""
    first, _ = token_range(importance.columns)
    return first >= first_output(importance, prompt_length)


def step_names(importance: Importance, prompt_length: int | None = None) -> list[str]:
    """Returns [row]: the steps of each row, counted from 1: ``3`` or ``3-5``."""
    first, last = token_range(importance.rows)
    base = first_output(importance, prompt_length) - 1
    return [str(a - base) if a == b else f"{a - base}-{b - base}" for a, b in zip(first, last, strict=True)]
