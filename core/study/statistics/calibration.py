"""Calibrates the statistics of Findings on simulated studies whose true correlation is known (``make calibrate``).

Planted correlations: the mean error of estimates, the coverage of the 95 % interval, and how often it excludes 0. Null
studies: how many of them report any discovery at q = 0.05, with clustered runs, strata that differ, ties and undefined
values. ``--table PATH`` adds the same for a real table of runs whose quality is permuted between prompts; ``make
calibrate`` names its columns. The last lines count runs as if they were prompts, to show the errors that these limits
are there to catch.

Guarded by tests/core/test_statistics_calibration.py, which runs a small version.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ...errors import HeedError, StudyError
from . import observations, permutation, table_columns
from .correlation import correlate_table
from .multiple_testing import q_values
from .power import smallest_rho
from .simulation import SimulatedStudy, column_names, planted_correlation, simulate_runs

NOMINAL = 0.05
COVERAGE, BIAS, DISCOVERIES = (93.0, 97.0), 0.02, 6.5
"""Required: percent of intervals that cover, largest bias, largest percent of null studies with a discovery."""

LARGE = 100_000
"""Number of prompts from which the truth of a design without a formula is estimated."""


@dataclass(frozen=True)
class CalibrationDesign:
    """A kind of study and how it is analysed."""

    label: str
    study: SimulatedStudy
    strata: tuple[str, ...] = ()
    estimand: str = "between"


RHOS = (0.0, 0.2, 0.4, 0.6, 0.8)
PLANTED = (
    *(CalibrationDesign(f"60 prompts x 3 runs, planted {r}", SimulatedStudy(rho=r)) for r in RHOS),
    CalibrationDesign("yes/no quality, planted 0.4", SimulatedStudy(rho=0.4, runs=1, awkward=True)),
    CalibrationDesign(
        "3 models on the same prompts, strata shifted, planted 0.4",
        SimulatedStudy(rho=0.4, models=3, shift=1.5),
        ("model",),
    ),
    CalibrationDesign(
        "3 tasks x 2 models, strata shifted, planted 0.4",
        SimulatedStudy(90, 3, rho=0.4, tasks=3, models=2, shift=1.5),
        ("task", "model"),
    ),
    CalibrationDesign(
        "within prompts, 3 structures, planted 0.4", SimulatedStudy(rho=0.4, structures=3, runs=1), (), "within"
    ),
)
WIDE = SimulatedStudy(features=10, metrics=4)
SEVERAL_TASKS = replace(WIDE, prompts=90, runs=2, tasks=3, models=2, shift=2)
NULL = (
    CalibrationDesign("60 prompts x 3 runs", WIDE),
    CalibrationDesign("60 prompts x 10 runs that are nearly the same", replace(WIDE, runs=10, noise=0.1)),
    CalibrationDesign("yes/no, ties, long tails, undefined runs", replace(WIDE, awkward=True)),
    CalibrationDesign("3 tasks x 2 models, strata shifted and stretched", SEVERAL_TASKS, ("task", "model")),
    CalibrationDesign("the same with ties and undefined runs", replace(SEVERAL_TASKS, awkward=True), ("task", "model")),
    CalibrationDesign(
        "within prompts, structures move the features", replace(WIDE, structures=3, runs=1, tilt=1), (), "within"
    ),
)

Say = Callable[[str], None]
CalibrationRow = dict[str, object]


def calibrate_planted(design: CalibrationDesign, studies: int, resamples: int = 999) -> CalibrationRow:
    """Returns bias, coverage, and how often the interval excludes 0, over studies with a known correlation."""
    true, rows = _truth(design), []
    for number in range(studies):
        found = _correlate(design, _study(design, number), number, resamples, 0)
        rows.append(found.iloc[0])
    got = pd.DataFrame(rows)
    inside = (got.low <= true) & (true <= got.high)
    bias, coverage = float(got.rho.mean() - true), 100 * float(inside.mean())
    return {
        "study": design.label,
        "truth": round(true, 3),
        "mean": round(float(got.rho.mean()), 3),
        "bias": round(bias, 3),
        "coverage %": round(coverage, 1),
        "without 0 %": round(100 * float(((got.low > 0) | (got.high < 0)).mean()), 1),
        "as asked": bool(abs(bias) <= BIAS and COVERAGE[0] <= coverage <= COVERAGE[1]),
    }


def _study(design: CalibrationDesign, number: int) -> pd.DataFrame:
    """Simulates study ``number`` with its design's own random numbers; shared ones would make all designs err alike."""
    return simulate_runs(design.study, np.random.default_rng([zlib.crc32(design.label.encode()), number]))


def _truth(design: CalibrationDesign) -> float:
    if design.estimand == "between" and not design.study.awkward:
        return planted_correlation(design.study)
    large = replace(design.study, prompts=LARGE)
    found = _correlate(design, simulate_runs(large, np.random.default_rng(0)), 0, 0, 0)
    return float(found.rho.iloc[0])


def _correlate(
    design: CalibrationDesign, table: pd.DataFrame, seed: int, resamples: int, permutations: int = 999
) -> pd.DataFrame:
    features, metrics = column_names(design.study)
    return correlate_table(
        table,
        features,
        metrics,
        strata=design.strata,
        estimand=design.estimand,
        seed=seed,
        resamples=resamples,
        permutations=permutations,
        linked=(),
    )


def calibrate_null(design: CalibrationDesign, studies: int) -> CalibrationRow:
    """Counts how many of ``studies`` without any correlation report a discovery."""
    any_ = 0
    for number in range(studies):
        found = _correlate(design, _study(design, number), number, 0)
        any_ += bool((found.q <= NOMINAL).any())
    return discovery_row(design.label, any_, studies, design.study.features * design.study.metrics)


def runs_as_prompts(design: CalibrationDesign, studies: int) -> CalibrationRow:
    """Analyses the same null studies in a common wrong way: Spearman and its p over all runs."""
    any_, (features, metrics) = 0, column_names(design.study)
    for number in range(studies):
        table = _study(design, number)
        p = [stats.spearmanr(table[f], table[m], nan_policy="omit").pvalue for f in features for m in metrics]
        any_ += bool((q_values(np.array(p)) <= NOMINAL).any())
    return discovery_row(design.label, any_, studies, len(features) * len(metrics))


def discovery_row(label: str, any_: int, studies: int, pairs: int) -> CalibrationRow:
    """Returns one line on studies in which there is nothing: ``any_`` of them reported a discovery."""
    share = 100 * any_ / studies
    low, high = (100 * float(v) for v in stats.binomtest(any_, studies).proportion_ci(method="wilson"))
    return {
        "study": label,
        "pairs": pairs,
        "studies": studies,
        "any discovery %": round(share, 1),
        "95 % interval": f"{low:.1f} to {high:.1f}",
        "as asked": share <= DISCOVERIES,
    }


class ShippedTable:
    """A real table of runs, whose quality is permuted between prompts of common strata."""

    def __init__(self, table: pd.DataFrame, features: Sequence[str], metrics: Sequence[str]) -> None:
        if "control" in table:
            table = table[~table["control"].astype(bool)]
        self.table, self.features, self.metrics = table.reset_index(drop=True), list(features), list(metrics)
        self.strata = [name for name in ("task", "model", "structure") if name in table]
        runs = observations.read_runs(self.table, [], "prompt_id", self.strata)
        self.block, self.prompt = runs.block, runs.cluster
        places, _ = table_columns.level_codes(self.table, [*self.strata, *(["seed"] if "seed" in table else [])])
        self.places = [np.flatnonzero(places == p) for p in np.unique(places)]

    def exchanged(self, rng: np.random.Generator) -> pd.DataFrame:
        """Returns the table with the metrics of whole prompts exchanged: no feature goes with them any more."""
        moves, order = permutation.draw_permutations(self.block, 1, rng), np.arange(len(self.table))
        for rows in self.places:
            one = rows[np.unique(self.prompt[rows], return_index=True)[1]]
            order[one] = one[permutation.induced_permutations(moves, self.prompt[one])[0]]
        table = self.table.copy()
        table[self.metrics] = self.table[self.metrics].to_numpy()[order]
        return table

    def null(self, studies: int) -> CalibrationRow:
        """Counts the findings in ``studies`` tables with exchanged metrics, where there is nothing to find."""
        any_ = 0
        for number in range(studies):
            table = self.exchanged(np.random.default_rng([3, number]))
            found = correlate_table(table, self.features, self.metrics, strata=self.strata, seed=number, resamples=0)
            any_ += bool((found.q <= NOMINAL).any())
        tested = len(self.features) * len(self.metrics)
        return discovery_row(f"shipped study, quality exchanged, {len(self.table)} runs", any_, studies, tested)


def read_shipped(path: Path, features: Sequence[str], metrics: Sequence[str]) -> ShippedTable:
    """Reads the table at ``path`` (CSV or Parquet) with those columns that it has. Raises StudyError."""
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise StudyError(f"The table {path} cannot be read ({error}): give a CSV or Parquet file of runs.") from None
    have = [[name for name in group if name in table and table[name].notna().any()] for group in (features, metrics)]
    if not all(have):
        raise StudyError(f"The table {path} has none of the columns {', '.join([*features, *metrics])}.")
    return ShippedTable(table, *have)


def write_calibration(studies: int, real: ShippedTable | None, of_real: int, say: Say) -> bool:
    """Passes the tables as Markdown to ``say``, line by line; returns whether all results are as required."""
    start = time.monotonic()
    say("# Calibration of the statistics\n")
    say(
        f"Written by `make calibrate`: {studies:,} made-up studies a line. Asked for: bias at most {BIAS}, "
        f"coverage {COVERAGE[0]:.0f} to {COVERAGE[1]:.0f} %, any discovery at q = {NOMINAL} in at most {DISCOVERIES} % "
        "of null studies.\n"
    )
    say("## Planted correlations\n")
    power = SimulatedStudy(rho=2 * np.sin(np.pi / 6 * smallest_rho(60)), runs=1, noise=0.0)
    lines = (*PLANTED, CalibrationDesign("60 prompts, the smallest rho seen with 80 % power", power))
    fine = say_rows((calibrate_planted(design, studies) for design in lines), say)
    say("\n## No correlation\n")
    fine &= say_rows((calibrate_null(design, studies) for design in NULL), say)
    if real:
        say("")
        fine &= say_rows([real.null(of_real)], say)
    say("\n## For comparison: runs counted as if they were prompts, strata mixed\n")
    say_rows((runs_as_prompts(design, min(studies, 200)) for design in (NULL[1], NULL[3])), say)
    say(f"\nEverything as asked: {'yes' if fine else 'no'}. {time.monotonic() - start:.0f} seconds.")
    return fine


def say_rows(rows: Iterable[CalibrationRow], say: Say) -> bool:
    """Passes each row to ``say`` as soon as it is computed; returns whether all are as required."""
    fine = True
    for number, row in enumerate(rows):
        if not number:
            say("| " + " | ".join(row) + " |\n|" + " --- |" * len(row))
        say("| " + " | ".join(_shown(v) for v in row.values()) + " |")
        fine &= bool(row["as asked"])
    return fine


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns 0 if all results are as required."""
    parser = argparse.ArgumentParser(
        prog="python -m core.study.statistics.calibration", description="Calibrates the statistics."
    )
    parser.add_argument("--studies", type=int, default=1000, help="made-up studies a line")
    parser.add_argument("--table", type=Path, help="a table of runs (CSV, Parquet) whose quality is exchanged too")
    parser.add_argument("--table-studies", type=int, default=200)
    parser.add_argument("--features", default="", help="columns of the table to relate, with commas")
    parser.add_argument("--metrics", default="", help="columns of the table that are quality, with commas")
    parser.add_argument("--save", type=Path, help="write the report here too")
    asked = parser.parse_args(arguments)
    if asked.table and not (asked.features and asked.metrics):
        parser.error("--table needs --features and --metrics: the names of its columns, with commas between them.")
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    try:
        real = read_shipped(asked.table, asked.features.split(","), asked.metrics.split(",")) if asked.table else None
        fine = write_calibration(max(asked.studies, 1), real, max(asked.table_studies, 1), say)
    except HeedError as error:
        say(str(error))
        return 1
    if asked.save:
        asked.save.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
