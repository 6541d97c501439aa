"""Compares each input unit's attention share with its ablation effect (the log-probability lost without it).

x is a multiple of the uniform share, y nats: two different questions about the same word, neither the truth about the
other. A unit without which the answer is likelier hindered it; one with much attention and no effect may stand twice,
which leaving out one at a time does not see. Guarded by tests/core/test_comparing_attention_vs_effect.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex

from ..importance.reading_summary import answer_mean
from ..records import Importance, Probe, Trace
from ..text.display_text import and_list

CORNERS = (
    *("read and helped", "read, no difference", "read and hindered"),
    *("helped, read little", "read little, no difference", "hindered, read little"),
)
READ_THRESHOLD, LOST_THRESHOLD = 1.0, 0.1
"""Where the fields meet: the uniform share, and a change in nats over the answer that makes it a tenth less likely, or
likelier. Every word has some tiny effect, which is no difference that people mean."""
FEWEST_POINTS = 3
"""Below so many points there is no rank correlation."""
GUESSES = 3
_WORD = regex.compile(r"[\p{L}\p{N}\p{Emoji_Presentation}\p{Extended_Pictographic}]")


@dataclass(frozen=True)
class AttentionVsEffect:
    """One point per input unit; undefined numbers are NaN and in no corner."""

    columns: np.ndarray
    """int [n]: columns of the importance and of the probe's units."""
    read: np.ndarray
    """float64 [n]: attention share over its uniform expectation, means over the answer's steps."""
    lost: np.ndarray
    """float64 [n]: nats lost over the answer when this unit alone is ablated (or nats per step)."""
    corner: tuple[str, ...]
    """[n] one of CORNERS, "" where a number is undefined."""
    spearman: float
    """Spearman correlation of ``read`` and ``lost``; NaN where undefined."""
    n: int
    """Number of points that it was computed from."""
    why: str = ""
    """Why ``spearman`` is undefined, as a sentence."""
    threshold: float = LOST_THRESHOLD
    """Nats (or nats per step) from which on a unit counts as having helped or hindered."""

    def members(self, corner: str) -> np.ndarray:
        """Returns int [m]: the columns in a corner, largest loss first."""
        mine = np.flatnonzero(np.array(self.corner) == corner)
        return self.columns[mine[np.argsort(-np.abs(self.lost[mine]), kind="stable")]]


def compare_with_effect(
    importance: Importance, trace: Trace, probe: Probe, columns: np.ndarray, rows: np.ndarray, per_step: bool = False
) -> AttentionVsEffect:
    """Returns the points of ``columns``: attention by ``importance``, effects by ``probe``.

    ``probe`` ablated every unit alone (its masks are the identity) and shares the importance's columns. ``rows`` are
    the importance's rows that make up the answer. Effects are sums over the answer's steps, or means with ``per_step``.
    """
    values, uniform = answer_mean(importance, rows) if len(rows) else (np.zeros(len(importance.columns)),) * 2
    read = np.divide(values, uniform, out=np.full(len(values), np.nan), where=uniform > 0)[columns].astype(float)
    effect = probe.effect[:, trace.answer_steps].astype(np.float64)
    total = effect.mean(1) if per_step and effect.shape[1] else effect.sum(1)
    lost = total[columns]
    threshold = LOST_THRESHOLD / max(effect.shape[1], 1) if per_step else LOST_THRESHOLD
    corner = tuple(corner_of(x, y, threshold) for x, y in zip(read, lost, strict=True))
    value, n, why = rank_agreement(read, lost)
    return AttentionVsEffect(np.asarray(columns), read, lost, corner, value, n, why, threshold)


def corner_of(read: float, lost: float, threshold: float = LOST_THRESHOLD) -> str:
    """Returns the corner of one point; empty where a number is undefined."""
    if not (math.isfinite(read) and math.isfinite(lost)):
        return ""
    way = 0 if lost > threshold else 2 if lost < -threshold else 1
    return CORNERS[way + (0 if read >= READ_THRESHOLD else 3)]


def rank_agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, int, str]:
    """Returns (Spearman over the points where both are defined, their number, why it is undefined)."""
    both = np.isfinite(a) & np.isfinite(b)
    n = int(both.sum())
    if n < FEWEST_POINTS:
        return math.nan, n, f"Only {n} of them have both numbers; ranks need at least {FEWEST_POINTS}."
    if np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        which = "were read the same" if np.ptp(a[both]) == 0 else "have the same effect"
        return math.nan, n, f"All of them {which}, so they have no order."
    from scipy.stats import spearmanr  # slow to import, and only wanted here

    return float(spearmanr(a[both], b[both]).statistic), n, ""


def agreement_sentence(found: AttentionVsEffect, noun: str = "words") -> str:
    """Returns a sentence with the rank correlation and what it does and does not mean."""
    if not math.isfinite(found.spearman):
        return f"Rank agreement of reading and effect: undefined. {found.why}"
    return (
        f"Rank agreement of reading and effect: Spearman {found.spearman:+.2f} over {found.n} {noun}. +1: what was "
        f"read more also cost more when it was missing; 0: the two orders have nothing in common; -1: opposite orders. "
        "It says nothing about how attention and effect come about, a word that stands twice can be missed without "
        "loss, and a high number does not make attention a faithful account of the answer."
    )


def is_word(label: str) -> bool:
    """Returns whether a label is what a person would call a word: not punctuation or spaces alone."""
    return _WORD.search(label) is not None


def strongest(values: np.ndarray, columns: np.ndarray, k: int = GUESSES) -> list[int]:
    """Returns the ``k`` columns with the largest values, largest first, without undefined ones."""
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")[:k]
    return [int(columns[i]) for i in order if np.isfinite(values[i])]


def overlap_sentence(guess: Sequence[int], best: Sequence[int], labels: Sequence[str], by: str) -> str:
    """Returns e.g. "2 of your 3 are among the 3 words read most: “sky” and “word”. You did not pick “color”."."""
    hit = [c for c in guess if c in best]
    missed = [c for c in best if c not in guess]

    def names(columns: Sequence[int]) -> str:
        return and_list([f"“{labels[c].strip() or labels[c]}”" for c in columns])

    which = f"the {len(best)} words" if len(best) != 1 else "the one word"
    head = f"{len(hit)} of your {len(guess)} {'is' if len(hit) == 1 else 'are'} among {which} {by}"
    found = f": {names(hit)}" if hit else ""
    rest = f" You did not pick {names(missed)}." if missed else ""
    return f"{head}{found}.{rest}"
