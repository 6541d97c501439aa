"""Calibrates dose-response statistics on made-up studies with a known truth: ``make calibrate`` adds the tables.

Planted: bias of the difference to the runs without a dose, and coverage of its interval, of the one against the control
part, and of the trend per doubling, over all doses. Flat: how many studies in which no dose does anything report any
discovery at q = 0.05, over all doses, parts, tasks and both trend tests. Guarded by
tests/core/test_statistics_dose_calibration.py, which runs a small version.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from .calibration import BIAS, COVERAGE, DISCOVERIES, NOMINAL, CalibrationRow, Say, discovery_row, say_rows
from .dose_response import DoseDesign, add_family_q, dose_levels, dose_trends

DOSES = (0.25, 2.0, 4.0, 8.0)
"""Doses of every made-up study, beside the runs without one."""
DOSED, BESIDE = "dosed", "beside"
"""The part that may have an effect, and the control part, which has none."""
ValueKind = Literal["yes / no", "share", "amount"]


@dataclass(frozen=True)
class DoseStudy:
    """A kind of made-up study."""

    label: str
    kind: ValueKind = "yes / no"
    effects: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    """True change of the mean at each of DOSES."""
    prompts: int = 60
    """Prompts of each task."""
    tasks: int = 1
    values: int = 1
    gone: float = 0.0
    """Share of values that are undefined."""


BATCH = 25
EFFORT_PLANTED = (1999, 99)
"""Resamples and permutations: intervals need fewer than a small p, for which the flat studies take as many as findings
do."""
RISING = (-0.16, 0.08, 0.16, 0.24)
DOSE_PLANTED = (
    DoseStudy("yes / no, 60 prompts, rising by 8 points per doubling", effects=RISING),
    DoseStudy("yes / no, 200 prompts, the same", effects=RISING, prompts=200),
    DoseStudy("yes / no, 100 prompts, an optimum at x 4", effects=(-0.1, 0.1, 0.25, -0.05), prompts=100),
    DoseStudy("share of 3, 60 prompts, rising", "share", RISING),
    DoseStudy("skewed amounts, 60 prompts, rising", "amount", RISING),
    DoseStudy("skewed amounts, 60 prompts, one in ten undefined", "amount", RISING, gone=0.1),
)
DOSE_NULL = (
    DoseStudy("2 outcomes of yes / no, 2 tasks of 40 prompts", prompts=40, tasks=2, values=2),
    DoseStudy("2 shares of 3, 2 tasks of 40 prompts", "share", prompts=40, tasks=2, values=2),
    DoseStudy("3 skewed amounts, 60 prompts, one in ten undefined", "amount", values=3, gone=0.1),
)


def simulate_doses(study: DoseStudy, rng: np.random.Generator) -> pd.DataFrame:
    """Returns one row per run: prompt_id, task, model, part, dose, ``value_0``, ...; each prompt at every level."""
    levels = [("", 1.0, 0.0), *((DOSED, d, e) for d, e in zip(DOSES, study.effects, strict=True))]
    levels += [(BESIDE, d, 0.0) for d in DOSES]
    count = study.prompts * study.tasks
    prompt, level = (i.ravel() for i in np.indices((count, len(levels))))
    table = pd.DataFrame(
        {
            "prompt_id": prompt,
            "task": np.array([f"t{i}" for i in range(study.tasks)], object)[prompt % study.tasks],
            "model": "m",
            "part": np.array([part for part, _, _ in levels], object)[level],
            "dose": np.array([dose for _, dose, _ in levels])[level],
        }
    )
    change = np.array([effect for _, _, effect in levels])[level]
    for number in range(study.values):
        values = _values(study.kind, rng.uniform(0.3, 0.6, count)[prompt] + change, rng)
        table[f"value_{number}"] = np.where(rng.random(len(values)) < study.gone, np.nan, values)
    return table


def _values(kind: ValueKind, means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns values with these means: of one try, of three tries, or with a lognormal error."""
    if kind == "amount":
        return means + 0.3 * (rng.lognormal(0.0, 0.7, len(means)) - np.exp(0.7**2 / 2))
    tries = 1 if kind == "yes / no" else 3
    return rng.binomial(tries, means) / tries


def planted_doses(study: DoseStudy, studies: int) -> CalibrationRow:
    """Returns bias and the three coverages over ``studies`` with a known effect."""
    slope = _true_slope(study)
    wrong, inside, beyond, along = [], [], [], []
    for levels, trends in _analysed(study, studies, EFFORT_PLANTED):
        own = levels[levels["part"] == DOSED]
        truth = own["dose"].map(dict(zip(DOSES, study.effects, strict=True)))
        wrong.append((own["difference"] - truth).mean())
        inside.append(((own["low"] <= truth) & (truth <= own["high"])).mean())
        beyond.append(((own["net_low"] <= truth) & (truth <= own["net_high"])).mean())
        line = trends[(trends["part"] == DOSED) & (trends["against"] == "")].iloc[0]
        along.append(bool(line["low"] <= slope <= line["high"]))
    bias, covered = float(np.mean(wrong)), [100 * float(np.mean(c)) for c in (inside, beyond, along)]
    names = ("coverage %", "against the control, coverage %", "trend, coverage %")
    fine = abs(bias) <= BIAS and all(COVERAGE[0] <= c <= COVERAGE[1] for c in covered)
    told = {"study": study.label, "true at x 8": study.effects[-1], "bias": round(bias, 3)}
    return told | {n: round(c, 1) for n, c in zip(names, covered, strict=True)} | {"as asked": bool(fine)}


def _true_slope(study: DoseStudy) -> float:
    """Returns the least-squares slope per doubling of the true means over all doses."""
    x = np.log2([1.0, *DOSES])
    return float(np.polyfit(x, [0.0, *study.effects], 1)[0])


def null_doses(study: DoseStudy, studies: int) -> CalibrationRow:
    """Counts how many of ``studies`` without any effect report a discovery."""
    found, tested = 0, 0
    for levels, trends in _analysed(study, studies):
        q = np.concatenate([levels["q"], levels["net_q"], trends["q"], trends["q_apart"]])
        found, tested = found + bool((q <= NOMINAL).any()), int(np.isfinite(q).sum())
    return discovery_row(study.label, found, studies, tested)


def _analysed(
    study: DoseStudy, studies: int, effort: tuple[int, int] = (9999, 9999)
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yields (levels, trends) of each made-up study, by task and over all, with q in one family a study.

    BATCH studies stand in one table, told apart by a column that is held fixed: the same numbers, many times as fast.
    """
    values = [f"value_{i}" for i in range(study.values)]
    for start in range(0, studies, BATCH):
        numbers = range(start, min(start + BATCH, studies))
        seeds = [np.random.default_rng([zlib.crc32(study.label.encode()), n]) for n in numbers]
        made = [simulate_doses(study, rng).assign(study=n) for n, rng in zip(numbers, seeds, strict=True)]
        table = pd.concat(made, ignore_index=True)
        levels, trends = [], []
        for by in [("study",), ("study", "task")][: 1 if study.tasks == 1 else 2]:
            design = DoseDesign(control=BESIDE, by=by, match=(), resamples=effort[0], permutations=effort[1])
            levels.append(dose_levels(table, values, design))
            trends.append(dose_trends(table, values, design))
        both = [pd.concat(t, ignore_index=True) for t in (levels, trends)]
        for n in numbers:
            own, line = (t[t["study"] == n] for t in both)
            yield add_family_q(own, line, dict.fromkeys(values, "one"))


def write_dose_calibration(studies: int, say: Say) -> bool:
    """Passes the tables as Markdown to ``say``; returns whether all results are as required."""
    say("\n## Dose-response\n")
    say(
        f"{studies:,} made-up studies a line, each prompt at 4 doses of two parts. Asked for: bias at most {BIAS}, "
        f"coverage {COVERAGE[0]:.0f} to {COVERAGE[1]:.0f} %, any discovery at q = {NOMINAL} in at most {DISCOVERIES} % "
        "of flat studies.\n"
    )
    fine = say_rows((planted_doses(study, studies) for study in DOSE_PLANTED), say)
    say("\nNo dose does anything:\n")
    return say_rows((null_doses(study, studies) for study in DOSE_NULL), say) and fine


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns 0 if all results are as required."""
    parser = argparse.ArgumentParser(
        prog="python -m core.study.statistics.dose_calibration", description="Calibrates dose-response statistics."
    )
    parser.add_argument("--studies", type=int, default=1000, help="made-up studies a line")
    parser.add_argument("--add", type=Path, help="add the tables to this report too")
    asked = parser.parse_args(arguments)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    fine = write_dose_calibration(max(asked.studies, 2), say)
    if asked.add:
        with asked.add.open("a", encoding="utf-8") as report:
            report.write("\n".join(lines) + "\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
