"""Calibrates findings on study designs that mislead the usual analysis: ``make calibrate`` adds the table.

Each line is a made-up kind of study with a known truth, most often nothing at all: how many 95 % intervals cover the
truth, and how many studies call something a finding (p up to 0.05 under nothing), with the usual analysis and with
Heed's. Usual: cut-off answers left out; a straight-line partial correlation; Student's t; normal quantiles around a
random-effects mean. Guarded by tests/core/test_findings_hard_designs.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..statistics import correlate_table
from ..statistics.prompt_means import mean_tests
from ..unsteered_runs import is_steered, unsteered
from .correlations import relate_columns
from .cut_off import add_cut_off, correlations_with_cut_off, cut_off_values
from .steering_effects import steering_effects
from .structure_effects import ValueDescription, compare_structures

COVERAGE, FALSE = 93.0, 6.5
"""Required: percent of intervals that cover at least, and of studies that find what is not there at most."""
CORRECT = {"correct": ValueDescription("Correct", "0 or 1", "outcome")}
BASE = "instruction_first"
EFFORT: dict[str, Any] = {"permutations": 199, "resamples": 199}


@dataclass(frozen=True)
class Verdicts:
    """Of one analysis: bool [study], whether its interval covers the truth, and whether it finds something."""

    covers: np.ndarray
    finds: np.ndarray


Design = Callable[[int], tuple[Verdicts, Verdicts]]
"""design(studies) -> (the usual analysis, Heed's)"""


def cut_off_correlation(studies: int) -> tuple[Verdicts, Verdicts]:
    """A correlation of 0 with quality that is undefined where answers were cut off; long answers are bad ones."""
    rows = []
    for rng in _seeds(studies):
        x, noise, other = rng.normal(size=(3, 200))
        length = 0.7 * x + np.sqrt(1 - 0.49) * other
        good = 0.7 * x - length + 0.5 * noise > 0  # x and length cancel: x says nothing of quality
        table = _runs(np.where(length > 0.5, np.nan, good), x=x)

        def relate(counted: pd.DataFrame, features: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
            return relate_columns(counted, features, metrics, "between", plain=True, **EFFORT)

        found = relate(table, ["x"], ["correct"])
        row = correlations_with_cut_off(found, table, cut_off_values(table, CORRECT), relate).iloc[0]
        stands = row.p <= 0.05 and row.p_cut <= 0.05 and row.rho * row.rho_cut > 0
        rows.append((row.low <= 0 <= row.high, row.p <= 0.05, row.low_bound <= 0 <= row.high_bound, stands))
    return _both(rows)


def cut_off_difference(studies: int, prompts: int = 290) -> tuple[Verdicts, Verdicts]:
    """Paired yes / no over 290 prompts: structures do nothing to quality, but under one of them answers are longer."""
    rows = []
    for rng in _seeds(studies):
        last = np.repeat([False, True], prompts)
        own = np.tile(rng.normal(size=prompts), 2) + 0.5 * rng.normal(size=2 * prompts)
        good = rng.normal(size=2 * prompts) - 2 * own > 0
        table = _runs(np.where(own + 0.3 * last > 1.0, np.nan, good), np.where(last, "instruction_last", BASE))

        def compare(counted: pd.DataFrame) -> pd.DataFrame:
            return compare_structures(counted, CORRECT, BASE, resamples=199)

        found = add_cut_off(compare(table), table, cut_off_values(table, CORRECT), BASE, compare)
        row = found[~found["baseline"]].iloc[0]
        stands = row.p <= 0.05 and row.cut_p <= 0.05 and row.difference * row.cut_difference > 0
        low, high = min(row.low, row.cut_low, row.least), max(row.high, row.cut_high, row.most)
        rows.append((row.low <= 0 <= row.high, row.p <= 0.05, low <= 0 <= high, stands))
    return _both(rows)


def bent_by_length(studies: int, prompts: int = 150) -> tuple[Verdicts, Verdicts]:
    """Feature and quality are both U-shaped in the prompt's length, which is held fixed, and share nothing else."""
    rows = []
    for rng in _seeds(studies):
        length = rng.uniform(-1, 1, prompts)
        x, y = length**2 + 0.15 * rng.normal(size=(2, prompts))
        table = pd.DataFrame({"prompt_id": np.arange(prompts), "length": length, "x": x, "y": y})
        own = correlate_table(table, "x", "y", controls="length", **EFFORT).iloc[0]
        r = _straight_partial(x, y, length)
        z, reach = np.arctanh(r), stats.norm.isf(0.025) * np.sqrt(1.06 / (prompts - 4))
        line, covered = abs(z) > reach, abs(z) <= reach
        rows.append((covered, line, own.low_controlled <= 0 <= own.high_controlled, own.p_controlled <= 0.05))
    return _both(rows)


def _straight_partial(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> float:
    """Returns the textbook's partial rank correlation: residuals of ranks from a line on the ranks of ``held``."""
    ranks = [stats.rankdata(v) for v in (x, y, held)]
    left = [v - np.polyval(np.polyfit(ranks[2], v, 1), ranks[2]) for v in ranks[:2]]
    return float(np.corrcoef(*left)[0, 1])


def skewed_difference(studies: int, prompts: int) -> tuple[Verdicts, Verdicts]:
    """Paired differences with a lognormal distribution whose mean is 0."""
    d = np.random.default_rng(prompts).lognormal(size=(prompts, studies)) - np.exp(0.5)
    usual = stats.ttest_1samp(d, 0)
    low, high = usual.confidence_interval(0.95)
    own = mean_tests(d, resamples=1999)
    return (
        Verdicts((low <= 0) & (high >= 0), usual.pvalue <= 0.05),
        Verdicts((own.low <= 0) & (own.high >= 0), own.p <= 0.05),
    )


def differing_strata(studies: int, strata: int, prompts: int = 40) -> tuple[Verdicts, Verdicts]:
    """Strata whose correlations truly differ (tau = 0.3 on the scale of Fisher's z) around a mean of 0."""
    rows = []
    for rng in _seeds(studies):
        rho = np.repeat(np.tanh(rng.normal(0, 0.3, strata)), prompts)
        x, noise = rng.normal(size=(2, strata * prompts))
        task = np.repeat([f"t{i}" for i in range(strata)], prompts)
        table = pd.DataFrame({"prompt_id": np.arange(strata * prompts), "task": task, "x": x})
        table["y"] = rho * x + np.sqrt(1 - rho**2) * noise
        own = correlate_table(table, "x", "y", strata="task", **EFFORT).iloc[0]
        z = [np.arctanh(stats.spearmanr(t["x"], t["y"]).statistic) for _, t in table.groupby("task")]
        v = 1.06 / (prompts - 3)
        tau2 = max(0.0, (np.var(z, ddof=1) - v))
        off = abs(np.mean(z)) / np.sqrt((v + tau2) / strata)
        rows.append((off <= 1.96, off > 1.96, own.low <= 0 <= own.high, own.p <= 0.05))
    return _both(rows)


def shorter_answers(studies: int, prompts: int = 200) -> tuple[Verdicts, Verdicts]:
    """Steering shortens the answers, and following means nothing but fewer than 50 words: no effect of reading.

    Usual: the paired difference to the plain run. Heed's: whether any factor is called an effect of reading, and
    whether the interval of the odds at equal length covers 1.
    """
    rows = []
    for rng in _seeds(studies):
        own = rng.normal(np.log(60), 0.4, prompts)
        cells = [("", 1.0, 0.0), *((part, f, cut * (part == BASE_PART)) for part in PARTS for f, cut in SHORTER)]
        parts = []
        for part, factor, cut in cells:
            words = np.round(np.exp(own - cut + 0.2 * rng.normal(size=prompts)))
            parts.append(_runs((words < 50).astype(float), words=words).assign(steered=part, factor=factor))
        table = pd.concat(parts, ignore_index=True).rename(columns={"correct": "followed"})
        followed = {"followed": ValueDescription("Followed", "0 or 1", "outcome")}
        found = steering_effects(unsteered(table), table[is_steered(table)], None, followed, BASE, resamples=199)
        row = found["doses"].query("part == @BASE_PART and factor == 2 and value == 'followed'").iloc[0]
        near = found["comparable"].query("part == @BASE_PART and factor == 2").iloc[0]
        covers = near.odds_low <= 1 <= near.odds_high
        called = bool(found["doses"]["effect_of_reading"].any())
        rows.append((row.low <= 0 <= row.high, row.p <= 0.05, covers, called))
    return _both(rows)


BASE_PART, PARTS = "instruction", ("instruction", "question")
SHORTER = ((0.5, -0.15), (2.0, 0.15), (4.0, 0.3))
"""(factor, what it takes from the logarithm of the words) on the instruction; on the question nothing."""


DESIGNS: dict[str, Design] = {
    "quality undefined where answers were cut off, long ones are bad (correlation)": cut_off_correlation,
    "the same, paired yes / no, 290 prompts": cut_off_difference,
    "feature and quality U-shaped in the prompt's length, length held fixed": bent_by_length,
    "paired difference, lognormal, 30 prompts": partial(skewed_difference, prompts=30),
    "paired difference, lognormal, 64 prompts": partial(skewed_difference, prompts=64),
    "paired difference, lognormal, 150 prompts": partial(skewed_difference, prompts=150),
    "followed only through shorter answers, called an effect of reading": shorter_answers,
    "4 strata that differ around 0": partial(differing_strata, strata=4),
    "8 strata that differ around 0": partial(differing_strata, strata=8),
}


def design_row(label: str, studies: int) -> dict[str, object]:
    """Returns one line of the table: percentages of ``studies`` with the usual analysis and with Heed's."""
    usual, own = DESIGNS[label](studies)
    covered, false = 100 * own.covers.mean(), 100 * own.finds.mean()
    return {
        "design": label,
        "usual: coverage %": round(100 * float(usual.covers.mean()), 1),
        "usual: p ≤ 0.05 under nothing %": round(100 * float(usual.finds.mean()), 1),
        "coverage %": round(float(covered), 1),
        "p ≤ 0.05 under nothing %": round(float(false), 1),
        "as asked": "yes" if covered >= COVERAGE and false <= FALSE else "no",
    }


def _seeds(studies: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([11, number]) for number in range(studies))


def _both(rows: Sequence[Sequence[bool]]) -> tuple[Verdicts, Verdicts]:
    table = np.array(rows, bool).T
    return Verdicts(table[0], table[1]), Verdicts(table[2], table[3])


def _runs(correct: np.ndarray, structure: np.ndarray | str = BASE, **more: np.ndarray) -> pd.DataFrame:
    """Returns a table of runs; an undefined ``correct`` was cut off."""
    table = pd.DataFrame({"structure": structure, "correct": correct, "truncated": np.isnan(correct), **more})
    table["prompt_id"] = table.groupby("structure").cumcount()
    return table.assign(task="fact", model="m", control=False, error="")


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns 0 if all lines are as required."""
    parser = argparse.ArgumentParser(prog="python -m core.study.findings.hard_designs", description="Hard designs.")
    parser.add_argument("--studies", type=int, default=300, help="made-up studies a line")
    parser.add_argument("--add", type=Path, help="add the table to this report too")
    asked = parser.parse_args(arguments)
    lines = ["", "## Designs that mislead the usual analysis", ""]
    lines += [
        f"{asked.studies:,} made-up studies a line. Asked for: coverage at least {COVERAGE:.0f} %, at most {FALSE} %"
    ]
    lines[-1] += " false. Intervals around cut-off answers span what the answers could have been, so they cover more."
    lines.append("")
    fine = True
    for number, label in enumerate(DESIGNS):
        row = design_row(label, max(asked.studies, 2))
        if not number:
            lines += ["| " + " | ".join(row) + " |", "|" + " --- |" * len(row)]
            sys.stdout.write("\n".join(lines) + "\n")
        lines.append("| " + " | ".join(str(v) for v in row.values()) + " |")
        sys.stdout.write(lines[-1] + "\n")
        sys.stdout.flush()
        fine &= row["as asked"] == "yes"
    if asked.add:
        with asked.add.open("a", encoding="utf-8") as report:
            report.write("\n".join(lines) + "\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
