"""Writes one plain sentence about what was read: at most three words, each with its share and multiple of uniform.

"No word stands out" below 1.5 times uniform. Shares are means over the answer's steps (thinking and the end token left
out), so that a one-word and a ten-word answer compare. The sentence reports attention; it never claims a cause. Guarded
by tests/core/test_importance.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex

from ..records import Importance, Tokens, Units
from ..text.display_text import and_list
from .methods import share_noun
from .sinks import sinks_word

STANDS_OUT = 1.5
AT_MOST = 3
_WORD = regex.compile(r"[\p{L}\p{N}\p{Emoji_Presentation}\p{Extended_Pictographic}]")


@dataclass(frozen=True)
class ReadWord:
    """One input word: its column, its share (or score) and that divided by its uniform share."""

    column: int
    label: str
    share: float
    multiple: float


def answer_mean(importance: Importance, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (values [column], uniform [column]): mean over the steps of the picked rows."""
    weight = step_weights(importance, rows)
    return weight @ importance.values[rows], weight @ importance.uniform[rows]


def step_weights(importance: Importance, rows: np.ndarray) -> np.ndarray:
    """Returns float [row], sums to 1: each picked row's share of the steps (a word of three tokens counts thrice)."""
    weight = np.bincount(importance.rows.unit, importance.rows.weight, len(importance.rows))[rows]
    return weight / weight.sum() if weight.sum() > 0 else weight


def answer_rows(importance: Importance) -> np.ndarray:
    """Returns int [R]: the rows that make up the answer itself, without thinking and end token."""
    parts = importance.known_tokens.parts
    pairs = zip(importance.rows.token, importance.rows.unit, strict=True)
    return np.array(sorted({int(unit) for token, unit in pairs if parts[token] == "answer"}), int)


def standing_out(
    importance: Importance, rows: np.ndarray, at_most: int = AT_MOST, least: float = STANDS_OUT
) -> list[ReadWord]:
    """Returns the user's words read at least ``least`` times uniform over ``rows``, strongest share first.

    Punctuation is no word. For nats uniform is the mean of what is above 0.
    """
    return [r for r in _standing_out(importance, rows, least) if _WORD.search(r.label)][:at_most]


def marks_between(importance: Importance, rows: np.ndarray, found: Sequence[ReadWord]) -> bool:
    """Returns whether punctuation was read more than the last of ``found`` (what ``standing_out`` gave)."""
    return bool(found) and any(
        r.share > found[-1].share for r in _standing_out(importance, rows, STANDS_OUT) if not _WORD.search(r.label)
    )


def _standing_out(importance: Importance, rows: np.ndarray, least: float) -> list[ReadWord]:
    """Returns all units of the user's text read at least ``least`` times uniform, strongest share first."""
    if len(rows) == 0:
        return []
    values, uniform = answer_mean(importance, rows)
    if importance.unit == "nats":  # no share of anything: against an even part of all that is above 0
        own = np.maximum(values[own_columns(importance)], 0)
        uniform = np.full(len(values), own.mean() if len(own) else 0.0)
    found = []
    for column in own_columns(importance):
        label = importance.columns.labels[column]
        multiple = float(values[column] / uniform[column]) if uniform[column] > 0 else 0.0
        if multiple >= least:
            found.append(ReadWord(int(column), label, float(values[column]), multiple))
    return sorted(found, key=lambda r: -r.share)


def own_columns(importance: Importance) -> np.ndarray:
    """Returns int [C]: the columns that lie in a text of the user."""
    return own_units(importance.known_tokens, importance.columns)


def own_units(tokens: Tokens, units: Units) -> np.ndarray:
    """Returns int [C]: the units that lie in a text of the user."""
    own = [s.origin == "user" for s in tokens.sources] + [False]
    return np.flatnonzero(np.array(own)[units.message])


def reading_sentence(importance: Importance, rows: np.ndarray, what: str, author: str | None = None) -> str:
    """Returns a sentence on the words read most, each with its share and multiple of uniform.

    E.g. 'While writing the whole answer, the model read most “color” with 4.1 % (2.3 × uniform) of its attention.'
    ``what`` names the picked output ("the whole answer", "“blue”"), ``author`` who wrote it: "" for the model itself,
    None where that is not known.
    """
    if len(rows) == 0:
        return "There is no answer to read from."
    begin = f"Over {what}" if author is None else f"While {'reading' if author else 'writing'} {what}"
    found = standing_out(importance, rows)
    if not found:
        return f"{begin}, no word stands out: none of your words got {STANDS_OUT} times its uniform share."
    if importance.unit == "share":
        parts = [f"“{r.label}” with {short_percent(r.share)} ({r.multiple:.1f} × uniform)" for r in found]
        tail = f" of its {share_noun(importance.method)}{heads_text(importance)}"
        if importance.parameters.get("sink") == "drop" and importance.sinks:
            tail += f" outside the {sinks_word(importance)}"
    elif importance.unit == "nats":
        parts = [f"“{r.label}” with {r.share:.3g}" for r in found]
        aside = ", punctuation aside" if marks_between(importance, rows, found) else ""
        return f"Over {what}, the most nats of log-probability are put down to {and_list(parts)}{aside}."
    else:
        parts = [f"“{r.label}” with a score of {r.share:.3g}" for r in found]
        tail = ""
    if marks_between(importance, rows, found):
        tail += ", punctuation aside"
    most = "read most" if importance.unit == "share" else "gave the highest scores to"
    return f"{begin}, {'the reading model' if author else 'the model'} {most} {and_list(parts)}{tail}."


def reading_ladder(importance: Importance, rows: np.ndarray) -> list[tuple[str, str]]:
    """Returns (piece of the answer, what was read most while it was written) for each of ``rows``, in their order."""
    ladder = []
    for row in rows:
        found = standing_out(importance, np.array([row]))
        said = [f"{r.label} {short_percent(r.share)}" if importance.unit == "share" else r.label for r in found]
        ladder.append((importance.rows.labels[row].strip(), ", ".join(said) or "no word stands out"))
    return ladder


def heads_text(importance: Importance) -> str:
    """Returns which layers and heads were picked, e.g. " in layer 5, head 2"; "" where none were."""
    parts = []
    for name in ("layer", "head"):
        picked = importance.parameters.get(f"{name}s")
        if picked is not None and len(picked):
            named = and_list([str(n) for n in picked]) if len(picked) <= AT_MOST else f"{len(picked)}"
            plural = "s" if len(picked) > 1 else ""
            parts.append(f"{named} {name}s" if len(picked) > AT_MOST else f"{name}{plural} {named}")
    return f" in {', '.join(parts)}" if parts else ""


def short_percent(share: float) -> str:
    """Formats a share as a percentage with one decimal; never a false zero."""
    if share == 0:
        return "0 %"
    if share < 0.0005:
        return "< 0.1 %"
    return f"{share * 100:.1f} %"
