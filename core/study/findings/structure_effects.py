"""Compares prompt structures: one row per value x task x model x structure, with three differences by prompt.

1. ``difference``: the structure minus the baseline structure, on the same prompts.
   ``core.study.findings.cut_off`` adds what it is with cut-off answers counted as not correct (``cut_...``).
2. ``control_...``: the structure minus its own position control (a filler of equal length in the instruction's place).
3. ``net_...``: the second minus the same for the baseline. The effect of a structure on attention and on
   ablation effects is claimed from this one only, since moving words moves attention whatever they say.

q is Benjamini-Hochberg within one kind of value and one of the three questions, over all structures, tasks and models:
mixed families would let sure differences, such as the length of the prompt, make room for others. Below the gate (30
prompts; of a yes / no value 10 prompts of each class) there are numbers and no verdict.
To add a question: a line in ``QUESTION_PREFIXES``. Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..column_labels import structure_label
from ..statistics.cell_means import PairedDesign, cell_means, design_levels, paired_design
from ..statistics.multiple_testing import q_values
from ..statistics.paired_differences import Term, net_terms, signed_contrast
from ..statistics.power import PROMPTS, judge_sample
from ..statistics.prompt_means import MEAN_RESAMPLES, level_means

if TYPE_CHECKING:
    import pandas as pd

ALL_TASKS = "all tasks"
DIFFERENCE_ENDINGS = ("difference", "low", "high", "p", "q", "pairs")
QUESTION_PREFIXES = ("", "control_", "net_")
ALPHA = 0.05
CLAIMS = {"attention": "net", "causal": "net"}
"""By kind of value: the difference that the verdict is about, if not the first."""
EFFECT_COLUMNS = (
    *("value", "label", "unit", "kind", "task", "model", "structure", "baseline"),
    *("runs", "n", "undefined", "mean", "mean_low", "mean_high"),
    *(f"{question}{ending}" for question in QUESTION_PREFIXES for ending in DIFFERENCE_ENDINGS),
    *("cut_off", *(f"cut_{ending}" for ending in DIFFERENCE_ENDINGS), "least", "most"),
    *("verdict", "why"),
)


@dataclass(frozen=True)
class ValueDescription:
    """Label, unit and kind of a value."""

    label: str
    unit: str
    kind: str


def compare_structures(
    table: pd.DataFrame,
    values: Mapping[str, ValueDescription],
    base: str,
    *,
    check: Callable[[float, str], None] = lambda fraction, text: None,
    resamples: int = MEAN_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Returns the table described above (``EFFECT_COLUMNS``); CLAIMS says which difference the verdict is about.

    ``table``: runs that did not fail, with the position controls. ``check(fraction, text)`` is called between parts.
    """
    import pandas as pd

    names = [v for v in values if v in table.columns and pd.to_numeric(table[v], errors="coerce").notna().any()]
    tasks = table["task"][~_controls(table)]
    if not names or tasks.empty:
        return pd.DataFrame(columns=list(EFFECT_COLUMNS))

    def own_design(by: tuple[str, ...]) -> PairedDesign:
        return paired_design(table, "structure", "prompt_id", by, None, resamples, seed)

    parts = [_compared(own_design(("task", "model")), table, names, base, lambda f, t: check(f / 2, t))]
    if tasks.nunique() > 1:
        pooled = _compared(own_design(("model",)), table, names, base, lambda f, t: check(0.5 + f / 2, t))
        parts.insert(0, pooled.assign(task=ALL_TASKS))
    out = pd.concat(parts, ignore_index=True)
    for field in ("label", "unit", "kind"):
        out[field] = [getattr(values[v], field) for v in out["value"]]
    out["baseline"] = out["structure"] == base
    for question in QUESTION_PREFIXES:
        out[f"{question}q"] = _families(out, f"{question}p")
    told = [_verdict(row, CLAIMS.get(str(row["kind"]), "difference")) for row in out.to_dict("records")]
    out["verdict"], out["why"] = [v for v, _ in told], [w for _, w in told]
    return out.reindex(columns=list(EFFECT_COLUMNS))


def _families(out: pd.DataFrame, p: str) -> np.ndarray:
    found = np.full(len(out), np.nan)
    for rows in out.groupby("kind").indices.values():
        found[rows] = q_values(out[p].to_numpy(float)[rows])
    return found


def _compared(
    design: PairedDesign,
    table: pd.DataFrame,
    names: Sequence[str],
    base: str,
    check: Callable[[float, str], None],
) -> pd.DataFrame:
    import pandas as pd

    by = design.by
    means = cell_means(table, names, design)
    structures = design_levels(means)
    found = []
    for number, structure in enumerate(structures):
        told = f"Comparing structures: {structure_label(structure)}"
        done = partial(check, number / len(structures), told)  # minutes where runs are many: asked in between too
        one = _described(table, names, structure, base, design, done)
        asked: dict[str, list[Term]] = {"control_": [(structure, False, 1), (structure, True, -1)]}
        if structure != base:
            asked |= {"": [(structure, False, 1), (base, False, -1)], "net_": net_terms(structure, base)}
        for place, (question, terms) in enumerate(asked.items(), 1):
            check((number + place / (1 + len(asked))) / len(structures), told)
            got = signed_contrast(means, design, terms).drop(columns=["first", "rest"]).rename(columns={"n": "pairs"})
            got = got.rename(columns={c: f"{question}{c}" for c in DIFFERENCE_ENDINGS})
            one = one.merge(got, on=["value", *by], how="left")
        found.append(one)
    return pd.concat(found, ignore_index=True).reindex(
        columns=list(
            dict.fromkeys([*found[0].columns, *(f"{q}{e}" for q in QUESTION_PREFIXES for e in DIFFERENCE_ENDINGS)])
        )
    )


def _described(
    table: pd.DataFrame,
    names: Sequence[str],
    structure: str,
    base: str,
    design: PairedDesign,
    check: Callable[[], None],
) -> pd.DataFrame:
    """Returns value, by, structure, runs, n, undefined, mean with its interval; ``gate``: what a verdict lacks."""
    import pandas as pd

    by, found = list(design.by), []
    which = table["structure"].to_numpy()
    either = ((which == structure) | (which == base)) & ~_controls(table)
    part, prompts = table[either], pd.factorize(table["prompt_id"])[0][either]  # the whole takes 80 MB a copy
    own = part["structure"].to_numpy() == structure
    numbers = part[list(names)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    for key, both in part.groupby(by, observed=True).indices.items():
        check()
        rows = both[own[both]]
        if not len(rows):
            continue
        got = level_means(numbers[rows], prompts[rows], resamples=design.resamples, seed=design.seed)
        held = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        told = {"runs": len(rows), "n": got.n, "undefined": np.isnan(numbers[rows]).mean(0)}
        gates = [judge_sample(column, prompts[both]).why for column in numbers[both].T]
        spread = {"mean": got.mean, "mean_low": got.low, "mean_high": got.high, "gate": gates}
        found.append(pd.DataFrame({"value": list(names), **held, "structure": structure, **told, **spread}))
    return pd.concat(found, ignore_index=True)


def _controls(table: pd.DataFrame) -> np.ndarray:
    return table["control"].to_numpy(bool) if "control" in table.columns else np.zeros(len(table), bool)


def _verdict(row: Mapping[str, object], claim: str) -> tuple[str, str]:
    """Returns (verdict, why) of one row."""
    if row["baseline"]:
        return "baseline", "Other structures are compared with this one."
    question = "" if claim == "difference" else "net_"
    pairs = _number(row.get(f"{question}pairs"))
    if not pairs > 0:
        if claim == "net" and _number(row.get("pairs")) > 0:
            return "no position control", "Without a position control, content and position cannot be told apart."
        return "too few prompts", "No prompt has a value under both structures."
    if pairs < PROMPTS:
        return "too few prompts", f"{int(pairs)} prompts in both: a verdict needs {PROMPTS}."
    if row["gate"]:
        return "too few prompts", str(row["gate"])
    if not np.isfinite(_number(row[f"{question}low"])):
        return "too few prompts", "Only three prompts or fewer differ: no interval can be trusted."
    if not _number(row[f"{question}q"]) < ALPHA:
        return "no difference found", f"q is not below {ALPHA}; the interval says what size was not ruled out."
    return ("higher" if _number(row[f"{question}difference"]) > 0 else "lower"), ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float | np.number) else np.nan
