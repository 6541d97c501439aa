"""Writes plain sentences about a comparison: what each run read most, how the prompts match, what to be wary of.

Guarded by tests/core/test_comparing_comparison_summary.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from re import sub

import numpy as np

from ..importance.methods import share_noun
from ..importance.reading_summary import AT_MOST, STANDS_OUT, short_percent
from ..records import Comparison, Trace
from ..text.display_text import and_list
from .attention_vs_effect import is_word

APART = 1.25
"""Ratio of two columns' total attention on words from which on most words gain by that alone."""


def most_read(comparison: Comparison, run: int) -> list[tuple[int, float, float]]:
    """Returns (unit, share, multiple of uniform) of the words that stand out, strongest first.

    At least 1.5 times uniform, at most three words.
    """
    values, even = np.nan_to_num(comparison.values[run]), np.nan_to_num(comparison.uniform[run])
    multiple = np.divide(values, even, out=np.zeros(len(even)), where=even > 0)
    texts = comparison.units.texts[run]
    found = [u for u in range(len(values)) if multiple[u] >= STANDS_OUT]
    ranked = sorted(found, key=lambda u: -values[u])
    words = [u for u in ranked if is_word(texts[u])][:AT_MOST]
    return [(u, float(values[u]), float(multiple[u])) for u in words]


def _marks_between(comparison: Comparison, run: int, least: float) -> bool:
    """Returns whether punctuation that stands out was read more than ``least``."""
    values, even, texts = comparison.values[run], comparison.uniform[run], comparison.units.texts[run]
    return any(values[u] > least and values[u] >= STANDS_OUT * even[u] and not is_word(texts[u])
               for u in range(len(values)) if texts[u].strip())  # fmt: skip


def most_read_sentence(comparison: Comparison, run: int, name: str) -> str:
    """Returns e.g. 'A read most “sky” with 6.3 % (2.5 × uniform) of its attention outside the sink.'"""
    if not np.isfinite(comparison.values[run]).any():
        return f"{name} read none of the words that it shares with another column."
    found = most_read(comparison, run)
    which = "shared word" if len(comparison.values) > 1 else "word"
    if not found:
        return f"{name}: no {which} stands out, none got {STANDS_OUT} times its uniform share."
    texts = comparison.units.texts[run]
    parts = [f"“{texts[u].strip()}” with {short_percent(share)} ({times:.1f} × uniform)" for u, share, times in found]
    methods = comparison.parameters.get("methods") or [comparison.method] * (run + 1)
    dropped = comparison.parameters.get("sink") == "drop" and comparison.shares["sink"][run] != 0
    outside = " outside the sink" if dropped else ""
    of = f" of its {share_noun(methods[run])}{outside}"
    most = "read most of the shared words" if len(comparison.values) > 1 else "read most"
    aside = ", punctuation aside" if _marks_between(comparison, run, found[-1][1]) else ""
    return f"{name} {most} {and_list(parts)}{of}{aside}."


def alignment_sentence(status: np.ndarray, letters: Sequence[str]) -> str:
    """Returns one sentence that counts the words: same in all columns, replaced, missing, or only in one column.

    ``status`` text [run, unit], as in a ``Comparison``.
    """
    some = (status != "inserted").all(0)
    differ = (status == "replaced").any(0)
    lacking = (status == "deleted").any(0) & some
    parts = [f"{int((some & ~differ & ~lacking).sum())} words are the same in every column"]
    if differ.any():
        parts.append(f"{int(differ.sum())} are replaced by another word")
    if lacking.any():
        parts.append(f"{int(lacking.sum())} are missing in some")
    for run, letter in enumerate(letters):
        count = int((status[run] == "inserted").sum())
        if count:
            parts.append(f"{count} only in {letter}")
    return "How the prompts match: " + ", ".join(parts) + "."


def letter_note(note: str, letters: Sequence[str]) -> str:
    """Returns a comparison's note with its run number replaced by the column's letter."""
    return sub(r"^Run (\d+) \(", lambda m: f"Column {letters[int(m[1]) - 1]} (", note)


def totals_sentence(comparison: Comparison, pair: tuple[int, int], letters: Sequence[str]) -> str:
    """Returns a warning where one column's words got far more attention in all, so that most words gain; else empty."""
    both = [(letters[i], float(np.nansum(comparison.values[i]))) for i in pair]
    (less, low), (more, high) = sorted(both, key=lambda x: x[1])
    if not low or high < APART * low:
        return ""
    return (
        f"Column {more} gave these words {short_percent(high)} of its attention in all and column {less} "
        f"{short_percent(low)}; the rest went elsewhere (see the line below each text). So most words gain for "
        "that reason alone: compare their ranks or their multiples of uniform, too."
    )


def template_sentence(traces: Sequence[Trace], letters: Sequence[str]) -> str:
    """Returns which columns' chat templates added which system message by themselves; empty where none did."""
    found = [next((s.text for s in t.tokens.sources if s.origin == "template"), "") for t in traces]
    added = [
        f"Column {c} ({t.model.label}): “{text}”" for c, t, text in zip(letters, traces, found, strict=True) if text
    ]
    without = [letter for letter, text in zip(letters, found, strict=True) if not text]
    rest = f" None was added in {and_list(without)}." if without else ""
    return f"Added by the templates: {'; '.join(added)}.{rest}" if added else ""
