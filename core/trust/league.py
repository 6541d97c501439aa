"""The league of a model: which methods predict, on many prompts, what its answers lose when sentences are hidden.

``score_prompts`` makes one row for each prompt and method; a ``League`` holds these rows for one model and compares
methods over prompts: the mean of a measure with a 95 % bootstrap interval over prompts, and the difference to the best
of what needs no model (length, place, rarity, chance) on the same prompts. Pure numpy and pandas.
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..importance import METHODS
from ..records import HeadWeights
from .faithfulness import BASELINES, datamodelling_scores
from .measurement import NO_TOPS, TOP_UNITS, PromptMeasurement, top_masks

if TYPE_CHECKING:
    import pandas as pd

LEAGUE_MEASURES = {
    "hidden": "Rank correlation, sentences hidden",
    "removed": "Rank correlation, sentences removed",
    "leaving_out": "Rank correlation with leaving out",
    "deletion": "Lost without the top sentences (nats)",
    "insertion": "Kept by the top sentences alone (nats)",
    "evidence": "Evidence on top",
}
"""``hidden``, ``removed``: linear datamodelling scores. ``deletion``: log-probability lost when the first 1, 3 and 5
units are hidden, less what random ones cost, as the area under that curve (mean height from 0 to 5 units).
``insertion``: the same for the log-probability when they alone are left. ``evidence``: 1 where the units with the
evidence come first (right answers only)."""
CURVES = ("deletion", "insertion")
"""Measures that are areas; the points of their curves are columns of their own (``curve_column``)."""
RESAMPLES = 999

LEAST = 10
"""Fewer prompts give no verdict."""


def score_prompts(measured: Sequence[PromptMeasurement]) -> pd.DataFrame:
    """Returns a row for each prompt and method or baseline: prompt, kind, split, tokens, right, method, measures."""
    import pandas as pd  # slow to import, and every process that runs a model imports this file

    rows = []
    for one in measured:
        halves, alone = one.halves, one.alone
        hidden, removed = one.logprob_of(halves), one.logprob_of(halves, "remove")
        lost = one.base - one.logprob_of(alone)
        values = {name: np.where(one.able, value, 0) for name, value in one.values.items()}
        by = {
            mode: datamodelling_scores(values, halves, scores, resamples=0)
            for mode, scores in (("hidden", hidden), ("removed", removed))
            if np.isfinite(scores).sum() >= LEAST
        }
        chance = _tops(one, one.values["random"])
        for name, value in one.values.items():
            tops = _tops(one, value) - chance
            if name in NO_TOPS:  # what other methods happened to hide too is no sample of prompts
                tops = np.full(len(tops), np.nan)
            rows.append(
                {
                    "prompt": one.prompt.id,
                    "kind": one.prompt.kind,
                    "split": one.prompt.split,
                    "tokens": len(one.token_ids),
                    "right": one.right,
                    "method": name,
                    **{mode: found[name].score for mode, found in by.items()},
                    "leaving_out": np.nan if name == "leave-one-out" else _rank(value[one.able], lost),
                    "evidence": _evidence_first(one, value),
                    **_curves({"deletion": -tops[: len(TOP_UNITS)], "insertion": tops[len(TOP_UNITS) :]}),
                }
            )
    points = [curve_column(measure, count) for measure in CURVES for count in TOP_UNITS]
    columns = ["prompt", "kind", "split", "tokens", "right", "method", *LEAGUE_MEASURES, *points]
    return pd.DataFrame(rows, columns=columns)


def curve_column(measure: str, count: int) -> str:
    """Returns the column of a curve's point: ``deletion_3``."""
    return f"{measure}_{count}"


def _curves(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the areas and the points of curves, each given as its heights at TOP_UNITS; it begins at 0."""
    out = {}
    for measure, heights in found.items():
        out[measure] = float(np.trapezoid([0.0, *heights], [0, *TOP_UNITS])) / TOP_UNITS[-1]
        out |= {curve_column(measure, count): float(h) for count, h in zip(TOP_UNITS, heights, strict=True)}
    return out


def _tops(one: PromptMeasurement, value: np.ndarray) -> np.ndarray:
    """Returns float64 [2 x TOP_UNITS]: log-probability with the first units hidden, then with these alone."""
    return one.logprob_of(top_masks(value, one.able))


def _rank(value: np.ndarray, lost: np.ndarray) -> float:
    fine = np.isfinite(lost)
    if fine.sum() < 4 or np.ptp(value[fine]) == 0 or np.ptp(lost[fine]) == 0:
        return 0.0 if fine.sum() >= 4 else np.nan
    from scipy.stats import spearmanr  # slow to import, and every page imports this file

    return float(spearmanr(value[fine], lost[fine]).statistic)


def _evidence_first(one: PromptMeasurement, value: np.ndarray) -> float:
    """Returns 1 where the first units by ``value`` are those with the evidence, else 0; NaN where none can be told."""
    wanted = int((one.evidence & one.able).sum())
    if not wanted or not one.right:
        return np.nan
    order = np.flatnonzero(one.able)[np.argsort(-value[one.able], kind="stable")]
    return float(one.evidence[order[:wanted]].all())


@dataclass(frozen=True)
class Standing:
    """One measure of one method over prompts, and its difference to something else on the same prompts."""

    mean: float
    low: float
    high: float
    prompts: int
    against: str = ""
    """The method or baseline that ``difference`` is to."""
    against_mean: float = np.nan
    difference: float = np.nan
    difference_low: float = np.nan
    difference_high: float = np.nan


@dataclass(frozen=True, eq=False)
class League:
    """The scores of one model's prompts."""

    scores: pd.DataFrame
    """What ``score_prompts`` gives."""
    model: str = ""
    """The model's caption."""
    fingerprint: str = ""
    weights: HeadWeights | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """{"variant_seconds": one scored variant, "scored_in": dtype, "shipped": whether it came with Heed}"""

    def part(self, split: str = "report", kind: str | None = None) -> League:
        """Returns the league of one split and, if given, one kind of prompts ("short" and "long" count as kinds)."""
        return _part(self, split, kind)

    @cached_property
    def prompts(self) -> int:
        """Number of prompts."""
        return int(self.scores.prompt.nunique())

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Methods that Heed knows, in the order of their mean rank correlation, best first."""
        means = self.scores.groupby("method").hidden.mean().sort_values(ascending=False, kind="stable")
        return tuple(name for name in means.index if name in METHODS)

    def wide(self, measure: str) -> pd.DataFrame:
        """Returns one measure as a table [prompt, method]."""
        return self.scores.pivot(index="prompt", columns="method", values=measure)

    def standing(self, method: str, measure: str = "hidden", against: Sequence[str] = BASELINES) -> Standing | None:
        """Returns how ``method`` does, beside the best of ``against`` on the same prompts; None with no such prompt."""
        return _standing(self, method, measure, tuple(against))


@lru_cache(maxsize=256)
def _standing(league: League, method: str, measure: str, against: tuple[str, ...]) -> Standing | None:
    """Kept, since every page of a run says it, and the intervals draw thousands of samples."""
    table = league.wide(measure)
    own = table.get(method)
    if own is None or own.notna().sum() == 0:
        return None
    own = own.dropna()
    low, high = _interval(own.to_numpy())
    others = {name: table[name].reindex(own.index).dropna() for name in against if name in table and name != method}
    others = {name: other for name, other in others.items() if len(other)}
    if not others:
        return Standing(float(own.mean()), low, high, len(own))
    best = max(others, key=lambda name: others[name].mean())
    apart = (own - others[best]).dropna()
    least, most = _interval(apart.to_numpy())
    return Standing(
        float(own.mean()), low, high, len(own), best, float(others[best].mean()), float(apart.mean()), least, most
    )


@lru_cache(maxsize=64)
def _part(league: League, split: str, kind: str | None) -> League:
    """Kept, since every view of a run asks for the same few parts."""
    table = league.scores[league.scores.split == split]
    if kind in ("short", "long"):
        table = table[(table.tokens > LONG) == (kind == "long")]
    elif kind is not None:
        table = table[table.kind == kind]
    return League(table, league.model, league.fingerprint, league.weights, league.facts)


LONG = 500
"""Prompts and answers of more tokens count as long."""


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval (percentiles) of a mean over prompts."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(1), (0.025, 0.975))
    return float(low), float(high)


def first_method(league: League | None, names: Sequence[str], default: str, tokens: int = 0) -> str:
    """Returns the method of the first picture: the best of ``names`` on the prompts kept for choosing.

    Only where its difference to ``default`` has an interval above 0 there, among prompts as long as a run of
    ``tokens`` (short or long); otherwise ``default``.
    """
    if league is None:
        return default
    return _first_method(league, tuple(names), default, "long" if tokens > LONG else "short")


@lru_cache(maxsize=64)
def _first_method(league: League, names: tuple[str, ...], default: str, kind: str) -> str:
    choosing = league.part("choose", kind)
    found = [(choosing.standing(name, against=(default,)), name) for name in names if name != default]
    better = [(s.mean, name) for s, name in found if s is not None and s.prompts >= LEAST and s.difference_low > 0]
    return max(better)[1] if better else default
