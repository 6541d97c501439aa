"""Measures how stable attention shares are over runs of nearly the same prompt: which stay and which move.

The first run is the unedited prompt; the others read small edits of it with the same (scored) answer, or the same
prompt with other sampling seeds. Everything is reported by the first run's words. A word of another run corresponds to
it where the diff (core.comparing.alignment) says so; sentences that moved as a whole are followed by their text, as an
edit of their order would otherwise lose half of the words. Cells exist only where all answers are the same text, as
cells of different answers are different questions; the mean over an answer's steps exists always.

Guarded by tests/core/test_comparing_run_stability.py (hand-made numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import regex

from ..errors import MethodError
from ..importance import group_rows
from ..importance.reading_summary import short_percent
from ..records import Importance, Trace
from ..records.arrays import check_shape, frozen_array, set_fields
from ..text.units import units
from .agreement import FEWEST_FOR_POSITION, agreement_value, fit_position_curve
from .compare_runs import BY_NAME, check_traces, one_granularity
from .edit_alignment import align_edit
from .mean_spread import ENOUGH, RunningMoments, mean_and_spread, mean_interval
from .run_units import RunUnits, units_of_run

if TYPE_CHECKING:
    import pandas as pd

LETTER = regex.compile(r"[\p{L}\p{N}\p{Extended_Pictographic}]")
STABILITY_MEASURES = ("spearman", "top-5")


@dataclass(frozen=True)
class RunAgreement:
    """Agreement between runs by one measure, over all pairs of them."""

    measure: str
    mean: float
    """NaN where no pair has a value."""
    lowest: float
    pairs: int
    """Number of pairs that have a value."""
    position: float
    """Baseline: agreement of a smooth curve through the first run's shares over the text with each other run."""
    pieces: float
    """Baseline (tokens per word): agreement of the first run's uniform shares with each other run."""


@dataclass(frozen=True, eq=False)
class Stability:
    """R runs by the U words of the first one. Shares are means over an answer word's steps, or all steps."""

    trace_ids: tuple[str, ...]
    """[R], the unedited run first."""
    model: str
    """The model's caption."""
    method: str
    granularity: str
    unit: str
    """share or score."""
    rows: tuple[str, ...]
    """[W] words of the answer; empty where the runs have different answers."""
    units: tuple[str, ...]
    """[U] the first run's own words, in reading order."""
    column: np.ndarray
    """int32 [unit]: column of the first run's importance."""
    mean: np.ndarray
    """float64 [row, unit]: mean over the runs that have the word; NaN where none has."""
    spread: np.ndarray
    """float64 [row, unit]: standard deviation over runs (ddof 1); NaN below two runs."""
    first: np.ndarray
    """float64 [row, unit]: values of the unedited run."""
    runs: np.ndarray
    """int32 [unit]: how many runs have the word."""
    answer: np.ndarray
    """float64 [run, unit]: mean over the whole answer; NaN where a run lacks the word."""
    uniform: np.ndarray
    """float64 [unit]: uniform share in the first run, over the whole answer."""
    low: np.ndarray
    """float64 [unit]: lower end of the 95 % interval of the mean of ``answer``; NaN below ``ENOUGH`` runs."""
    high: np.ndarray
    between: tuple[RunAgreement, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = ("mean", "spread", "first", "answer")
        set_fields(
            self,
            column=frozen_array(self.column, np.int32, 1, "column"),
            runs=frozen_array(self.runs, np.int32, 1, "runs"),
            **{name: frozen_array(getattr(self, name), np.float64, 2, name) for name in names},
            **{name: frozen_array(getattr(self, name), np.float64, 1, name) for name in ("uniform", "low", "high")},
        )
        cells, words = (len(self.rows), len(self.units)), (len(self.units),)
        for name in ("mean", "spread", "first"):
            check_shape(name, getattr(self, name).shape, cells)
        for name in ("column", "runs", "uniform", "low", "high"):
            check_shape(name, getattr(self, name).shape, words)
        check_shape("answer", self.answer.shape, (len(self.trace_ids), len(self.units)))

    @property
    def table(self) -> pd.DataFrame:
        """One row per word: mean over runs, its interval, spread, smallest and largest, the unedited run, uniform."""
        import pandas as pd

        mean, spread = mean_and_spread(self.answer)
        known = np.isfinite(self.answer)
        return pd.DataFrame(
            {
                "word": self.units,
                "runs": self.runs,
                "mean": mean,
                "low": self.low,
                "high": self.high,
                "spread": spread,
                "smallest": np.where(known.any(0), np.where(known, self.answer, np.inf).min(0), np.nan),
                "largest": np.where(known.any(0), np.where(known, self.answer, -np.inf).max(0), np.nan),
                "first": self.answer[0],
                "uniform": self.uniform,
            }
        )

    @property
    def agreement(self) -> pd.DataFrame:
        """One row per measure: the fields of ``RunAgreement``."""
        import pandas as pd

        return pd.DataFrame([vars(b) for b in self.between], columns=list(RunAgreement.__dataclass_fields__))


def measure_stability(
    traces: Sequence[Trace], importances: Sequence[Importance], rows: str = "word", seed: int = 0
) -> Stability:
    """Measures the stability of the runs ``traces``, the unedited prompt first, by the first one's words.

    ``importances``: one per run, from ``explain(..., sink="separate", inputs="prompt")``, all by one granularity.
    ``rows``: word, sentence or token of the answer; ``seed`` of the bootstrap. Raises MethodError for fewer than two
    runs and for importances that do not fit.
    """
    runs, importances = check_traces(traces), list(importances)
    if len(runs) < 2 or len(runs) != len(importances):
        raise MethodError(
            f"Stability needs two runs or more and one importance a run, not {len(importances)} for {len(runs)}."
        )
    granularity = one_granularity(importances)
    sides = [units_of_run(t, i) for t, i in zip(runs, importances, strict=True)]
    places = np.array([_places(sides[0], s, granularity) for s in sides])
    answer = np.array([_picked(s.values, p, s.sunk) for s, p in zip(sides, places, strict=True)])
    labels, mean, spread, first = _cells(runs, importances, sides, places, rows)
    low, high = mean_interval(answer, seed)
    return Stability(
        trace_ids=tuple(t.id for t in runs),
        model=runs[0].model.caption,
        method=importances[0].method,
        granularity=granularity,
        unit=importances[0].unit,
        rows=labels,
        units=sides[0].labels,
        column=sides[0].columns,
        mean=mean,
        spread=spread,
        first=first,
        runs=np.isfinite(answer).sum(0),
        answer=answer,
        uniform=sides[0].uniform,
        low=low,
        high=high,
        between=tuple(_between(name, answer, sides[0]) for name in STABILITY_MEASURES),
        notes=_notes(runs, answer),
    )


def stability_sentence(stability: Stability, kind: str = "edits of the prompt", count: int | None = None) -> str:
    """Returns e.g. "Over 12 edits of the prompt, “sky” kept between 3.1 % and 4.0 % ...".

    Named are the word that got most on average and, where it is another one, the word that moved most, among those that
    every run has. ``count`` is the number of edits where it is not that of the runs after the first.
    """
    means, _ = mean_and_spread(stability.answer)
    everywhere = stability.runs == stability.runs.max(initial=0)
    named = [u for u, label in enumerate(stability.units) if everywhere[u] and LETTER.search(label)]
    if not len(named) or not stability.runs.max(initial=0):
        return "No word of the first prompt stands in all runs, so there is nothing to follow."
    word = max(named, key=lambda u: means[u])
    kept = f"{_quoted(stability, word)} kept {_range(stability, word)}"
    apart = {u: float(np.ptp(unit_means(stability, u))) for u in named}
    moved = max(named, key=lambda u: apart[u])
    if apart[moved] > apart[word]:
        kept += f", {_quoted(stability, moved)} moved most, {_range(stability, moved)}"
    rho = next(b for b in stability.between if b.measure == "spearman")
    order = "how far the ranks of words agree is undefined here"
    if not np.isnan(rho.mean):
        order = f"the ranks of words agree with a mean Spearman correlation of {rho.mean:.2f} (lowest {rho.lowest:.2f})"
    number = len(stability.trace_ids) - 1 if count is None else count
    return f"Over {number} {kind}, {kept}; {order}."


def unit_means(stability: Stability, unit: int) -> np.ndarray:
    """Returns float64: the unit's mean over the whole answer in every run that has it."""
    values = stability.answer[:, unit]
    return values[np.isfinite(values)]


def _quoted(stability: Stability, unit: int) -> str:
    label = stability.units[unit].strip()
    return f"“{label if len(label) <= 60 else label[:59] + '…'}”"


def _range(stability: Stability, unit: int) -> str:
    values = unit_means(stability, unit)
    ends = [_amount(v, stability.unit) for v in (values.min(), values.max())]
    return ends[0] if ends[0] == ends[1] else f"between {ends[0]} and {ends[1]}"


def _amount(value: float, unit: str) -> str:
    return short_percent(value) if unit == "share" else f"a score of {value:.3g}"


def same_answer(traces: Sequence[Trace]) -> bool:
    """Returns whether all runs have one answer, apart from spaces around it."""
    return len({t.answer.strip() for t in traces}) == 1 and bool(traces[0].answer.strip())


def _places(first: RunUnits, other: RunUnits, granularity: str) -> np.ndarray:
    """Returns int [unit]: the index in ``other`` of each of the first run's units; -1 where it lacks it."""
    if other is first:
        return np.arange(len(first.texts))
    if granularity in BY_NAME:
        at = {name: i for i, name in enumerate(other.names)}
        return np.array([at.get(name, -1) for name in first.names], np.int64)
    return align_edit(first.texts, other.texts, strip=granularity == "token")


def _picked(values: np.ndarray, place: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Returns float64 [..., unit]: ``values`` at each place; NaN where there is no place or its share is unknown."""
    if not values.shape[-1]:
        return np.full((*values.shape[:-1], len(place)), np.nan)
    return np.where((place >= 0) & ~hidden[place], values[..., place].astype(np.float64), np.nan)


Cells = tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]


def _cells(
    runs: Sequence[Trace], importances: Sequence[Importance], sides: Sequence[RunUnits], places: np.ndarray, level: str
) -> Cells:
    """Returns (labels, mean, spread, first run's) [row, unit]; without rows where answers differ."""
    none = np.zeros((0, len(sides[0].texts)))
    if not same_answer(runs):
        return (), none, none, none
    made = [_rows(t, i, level) for t, i in zip(runs, importances, strict=True)]
    common = [place for place in made[0] if all(place in rows for rows in made)]
    if not common:
        return (), none, none, none
    tables = (
        _picked(np.array([rows[c][1] for c in common])[:, s.columns], place, s.sunk)
        for rows, s, place in zip(made, sides, places, strict=True)
    )
    first = next(tables)
    moving = RunningMoments(first.shape)
    moving.add(first)
    for table in tables:
        moving.add(table)
    return tuple(made[0][c][0] for c in common), moving.mean, moving.spread, first


def _rows(trace: Trace, importance: Importance, level: str) -> dict[tuple[int, int], tuple[str, np.ndarray]]:
    """Returns {span in the answer, without spaces before it: (label, float32 [column])}: mean over each row's steps."""
    positions = trace.answer_steps + trace.prompt_length
    level = level if trace.tokens.proven else "token"
    made = units(trace.tokens, level, range(int(positions[0]), int(positions[-1]) + 1))
    values = group_rows(importance, made).values
    skipped, last = len(trace.answer) - len(trace.answer.lstrip()), len(trace.tokens.sources) - 1
    out = {}
    for at, label in enumerate(made.labels):
        if not trace.tokens.proven:
            out[at, at] = label, values[at]
        elif made.message[at] == last and trace.answer[made.start[at] : made.end[at]].strip():
            out[int(made.start[at]) - skipped, int(made.end[at]) - skipped] = label, values[at]
    return out


def _between(name: str, answer: np.ndarray, first: RunUnits) -> RunAgreement:
    """Computes the agreement of all pairs of runs over the words that both have, and of the two baselines."""

    def value(x: np.ndarray, y: np.ndarray) -> float:
        both = np.isfinite(x) & np.isfinite(y)
        return agreement_value(name, x[both], y[both])

    def mean(found: list[float]) -> float:
        known = [f for f in found if not np.isnan(f)]
        return sum(known) / len(known) if known else np.nan

    pairs = [value(answer[a], answer[b]) for a, b in combinations(range(len(answer)), 2)]
    smooth = np.full(answer.shape[1], np.nan)
    known = np.flatnonzero(np.isfinite(answer[0]))
    if len(known) >= FEWEST_FOR_POSITION:
        smooth[known] = fit_position_curve(known / max(answer.shape[1] - 1, 1), answer[0, known])
    defined = [p for p in pairs if not np.isnan(p)]
    return RunAgreement(
        measure=name,
        mean=mean(pairs),
        lowest=min(defined, default=np.nan),
        pairs=len(defined),
        position=mean([value(smooth, other) for other in answer[1:]]),
        pieces=mean([value(first.uniform, other) for other in answer[1:]]),
    )


def _notes(runs: Sequence[Trace], answer: np.ndarray) -> tuple[str, ...]:
    out = []
    counts = np.isfinite(answer).sum(0)
    if len(runs) < ENOUGH:
        out.append(f"Intervals need at least {ENOUGH} runs; there are {len(runs)}.")
    if not same_answer(runs):
        out.append("The answers differ, so there are no cells: every run counts with the mean over its whole answer.")
    empty = sum(len(t.answer_steps) == 0 for t in runs)
    if empty:
        out.append(f"{empty} of {len(runs)} runs have no answer and are left out.")
    if len(counts) and counts.min() < len(runs) - empty:
        lacking = int((counts < len(runs) - empty).sum())
        what = "word is not in every run: it is" if lacking == 1 else "words are not in every run: each is"
        out.append(f"{lacking} {what} averaged over the runs that have it.")
    return tuple(out)
