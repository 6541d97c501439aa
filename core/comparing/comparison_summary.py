"""Writes one plain sentence per run about which of the compared words it read most, as Explore says it of one run.

Guarded by tests/core/test_comparing_comparison_summary.py.
"""

from __future__ import annotations

import numpy as np

from ..importance.methods import share_noun
from ..importance.reading_summary import AT_MOST, STANDS_OUT, short_percent
from ..records import Comparison
from ..text.display_text import and_list
from .attention_vs_effect import is_word


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
    outside = " outside the sink" if comparison.parameters.get("sink") == "drop" else ""
    of = f" of its {share_noun(methods[run])}{outside}"
    most = "read most of the shared words" if len(comparison.values) > 1 else "read most"
    aside = ", punctuation aside" if _marks_between(comparison, run, found[-1][1]) else ""
    return f"{name} {most} {and_list(parts)}{of}{aside}."
