"""Writes one plain sentence per run about which of the compared words it read most, on a scale that runs share.

Shares of all attention do not compare in a sentence: one model gives half of it to the sink, another a tenth. So here
the total of the compared words is 100 %, and "an even share" is the uniform share among the tokens of these words.
Guarded by tests/core/test_comparing_comparison_summary.py.
"""

from __future__ import annotations

import numpy as np

from ..importance.reading_summary import AT_MOST, STANDS_OUT, short_percent
from ..records import Comparison
from ..text.display_text import and_list
from .attention_vs_effect import is_word


def most_read(comparison: Comparison, run: int) -> list[tuple[int, float, float]]:
    """Returns (unit, part, multiple) of the words that stand out, strongest first.

    ``part`` of what the run read of all compared words, and ``multiple`` of an even share; at least 1.5 times, at most
    three words.
    """
    values, even = comparison.values[run], comparison.uniform[run]
    whole, expected = np.nansum(values), np.nansum(even)
    if not whole > 0 or not expected > 0:
        return []
    part, multiple = values / whole, np.divide(values / whole, even / expected, where=even > 0, out=np.zeros(len(even)))
    texts = comparison.units.texts[run]
    found = [u for u in range(len(values)) if multiple[u] >= STANDS_OUT and is_word(texts[u])]
    return [(u, float(part[u]), float(multiple[u])) for u in sorted(found, key=lambda u: -part[u])[:AT_MOST]]


def most_read_sentence(comparison: Comparison, run: int, name: str) -> str:
    """Returns e.g. 'Of the attention that A gave the shared words, most went to “sky” (18.7 %, 3.2 times…'."""
    if not np.isfinite(comparison.values[run]).any():
        return f"{name} read none of the words that it shares with another column."
    found = most_read(comparison, run)
    which = "the shared words" if len(comparison.values) > 1 else "these words"
    if not found:
        return f"Of the attention that {name} gave {which}, none got {STANDS_OUT} times an even share."
    texts = comparison.units.texts[run]
    parts = [
        f"“{texts[u].strip()}” ({short_percent(part)}, {times:.1f} times an even share)" for u, part, times in found
    ]
    return f"Of the attention that {name} gave {which}, most went to {and_list(parts)}."
