"""Computes what turning reading up or down did: dose-response tables, what remains at equal length, *goes with* beside
*moves*.

Compared are, on the same prompts in the baseline structure: the plain run, each part of the prompt at each factor, and
unsteered rivals (the instruction said twice, in capitals). Values are outcomes first, then the price: what the plain
model thinks of the answer, loops, words, answers cut off; then the shares that were really read.

A change of an outcome is called an *effect of reading* only if all of this holds: its q is below 0.05, with cut-off
answers left out and counted as not correct; the same factor on the control part does less (``net_``, q below 0.05); and
among pairs of answers of comparable length one in the same direction is left, at equal length (``odds``, q below 0.05
over all parts, factors, tasks and models). Otherwise ``why_not`` says which of them is missing. q is Benjamini-Hochberg
over all parts, factors, tasks, models, both differences and both trend tests, separately for outcomes, their split by
instruction, price, and shares. To add a price: a line in ``PRICES``. Guarded by
tests/core/test_findings_steering_effects.py (planted, flat, artefact).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...importance.methods import DEFAULT_METHOD
from ..column_labels import features_of
from ..features import get_feature
from ..quality.metrics import outcome_metrics
from ..statistics.dose_response import (
    DoseDesign,
    add_family_q,
    comparable_levels,
    dose_levels,
    dose_trends,
)
from ..statistics.multiple_testing import q_values
from ..statistics.power import PROMPTS, judge_sample
from ..unsteered_runs import FACTOR, PLAIN_LOGPROB, STEERED
from .cut_off import count_cut_off, cut_off_values
from .short_answers import SPLIT_LABELS, split_followed
from .structure_effects import ALL_TASKS, ALPHA, ValueDescription

if TYPE_CHECKING:
    import pandas as pd

MAIN_PART, CONTROL_PART = "instruction", "question"
"""The part that is asked about first, and the one that serves as control where both were steered."""
STEERING_RIVALS = ("instruction_twice", "instruction_capitals")
"""Structures that stress the instruction without steering."""
PRICES = {
    PLAIN_LOGPROB: ValueDescription("Log-probability of the answer under the plain model", "nats per token", "price"),
    "loop_share": ValueDescription("Words in loops", "share", "price"),
    "words": ValueDescription("Words", "words", "price"),
    "truncated": ValueDescription("Cut off by the token limit", "share", "price"),
}
"""{column: description}"""
SIZE = "words"
"""Column by which answers are of comparable length."""
KINDS = ("outcome", "split", "price", "reading")
"""In the order of tables: outcomes, their split by instruction, price, shares really read; a family of tests each."""
OWN_ENDINGS = ("difference", "low", "high", "p", "q", "pairs")
DOSE_COLUMNS = (
    *("value", "label", "unit", "kind", "task", "model", "part", "role", "factor"),
    *("runs", "n", "mean", "mean_low", "mean_high", *OWN_ENDINGS, *(f"net_{e}" for e in OWN_ENDINGS)),
    *("cut_difference", "cut_low", "cut_high", "cut_q", "cut_net_difference", "cut_net_q"),
    *("verdict", "why", "effect_of_reading", "why_not"),
)
TREND_COLUMNS = (
    *("value", "label", "unit", "kind", "task", "model", "part", "against", "n", "slope", "low", "high"),
    *("p", "q", "p_apart", "q_apart", "verdict"),
)
MOVE_COLUMNS = (
    *("part", "feature", "metric", "rho", "rho_low", "rho_high", "rho_q", "goes", "task", "model", "factor"),
    *("share_plain", "share", "difference", "low", "high", "q", "moves", "effect_of_reading"),
)


def steering_effects(
    table: pd.DataFrame,
    steered: pd.DataFrame,
    instructions: pd.DataFrame | None,
    about: Mapping[str, ValueDescription],
    base: str,
    *,
    resamples: int = 9999,
    seed: int = 0,
    check: Callable[[float, str], None] = lambda fraction, text: None,
) -> dict[str, pd.DataFrame]:
    """Returns {"doses", "dose_trends", "comparable"}; {} where no steered run can be compared.

    ``table``: the unsteered runs, ``steered`` the others, both with ``error``, ``control`` and ``truncated``;
    ``instructions``: rows of both; ``base``: the structure in which parts were steered. ``resamples`` also counts the
    exchanges of labels.
    """
    laid = laid_out(table, steered, base)
    laid = _with_split(laid, instructions)
    values = _values(laid, about)
    if not values or not laid["part"].ne("").any():
        return {}
    control = control_part(list(dict.fromkeys(laid.loc[laid["role"].isin(["part", "control"]), "part"])))
    design = DoseDesign(dose=FACTOR, control=control, resamples=resamples, permutations=resamples, seed=seed)
    doses, trends = _responses(laid, values, design, lambda f: check(0.6 * f, "Steered runs compared"))
    comparable = _comparable(laid, values, design, lambda f: check(0.6 + 0.1 * f, "Answers of comparable length"))
    cut = cut_off_values(laid, values)
    counted = None
    if cut:
        own = {v: a for v, a in values.items() if a.kind == "outcome"}
        counted = _responses(
            count_cut_off(laid, cut, 0.0), own, design, lambda f: check(0.7 + 0.3 * f, "Cut-off answers as not correct")
        )
    doses = _judged(_with_cut(doses, counted), laid, comparable)
    return {"doses": doses, "dose_trends": _trend_verdicts(trends, counted, laid), "comparable": comparable}


def laid_out(table: pd.DataFrame, steered: pd.DataFrame, base: str) -> pd.DataFrame:
    """Returns the runs that are compared, with the columns ``part``, ``role`` and ``factor`` (NaN for rivals).

    Plain runs and rivals count for prompts and models that were steered. A factor of 1 is the plain run again.
    """
    import pandas as pd

    own = steered[(steered["error"] == "") & (steered["structure"] == base) & (steered[FACTOR] != 1)]
    parts = list(dict.fromkeys(own[STEERED]))
    control = control_part(parts)
    own = own.assign(part=own[STEERED], role=np.where(own[STEERED] == control, "control", "part"))
    free = table[(table["error"] == "") & ~table["control"]]
    asked = pd.MultiIndex.from_frame(own[["model", "prompt_id"]])
    free = free[pd.MultiIndex.from_frame(free[["model", "prompt_id"]]).isin(asked)]
    plain = free[free["structure"] == base].assign(part="", role="plain", **{FACTOR: 1.0})
    rival = free[free["structure"].isin(STEERING_RIVALS)]
    rival = rival.assign(part=rival["structure"], role="rival", **{FACTOR: np.nan})
    laid = pd.concat([plain, own, rival], ignore_index=True)
    if {PLAIN_LOGPROB, "mean_logprob"} <= set(laid.columns):  # without steering the two are one
        free = ~laid["role"].isin(["part", "control"])
        laid[PLAIN_LOGPROB] = laid[PLAIN_LOGPROB].where(~free | laid[PLAIN_LOGPROB].notna(), laid["mean_logprob"])
    return laid


def control_part(parts: Sequence[str]) -> str:
    """Returns the part that serves as the control of the others; "" where one part alone was steered."""
    if len(parts) < 2:
        return ""
    return CONTROL_PART if CONTROL_PART in parts else [p for p in parts if p != MAIN_PART][-1]


def _with_split(laid: pd.DataFrame, instructions: pd.DataFrame | None) -> pd.DataFrame:
    """Adds the shares followed of instructions that gain from short answers, and of the others."""
    if instructions is None or not {"cell", "id", "kwargs", "strict"} <= set(instructions.columns):
        return laid
    shares = split_followed(instructions).reindex(laid["cell"].astype(str))
    return laid.assign(**{name: shares[name].to_numpy(float) for name in SPLIT_LABELS})


def _values(laid: pd.DataFrame, about: Mapping[str, ValueDescription]) -> dict[str, ValueDescription]:
    """Returns {column: description} of what is compared, in the order of KINDS, of columns that have values."""
    import pandas as pd

    own = [p for p in dict.fromkeys(laid["part"]) if p]
    outcomes = [v for v in outcome_metrics(laid.columns) if v in about]
    found = {v: ValueDescription(about[v].label, about[v].unit, "outcome") for v in outcomes}
    found |= {v: ValueDescription(label, "share", "split") for v, label in SPLIT_LABELS.items()}
    found |= PRICES
    for name in features_of(laid.columns, DEFAULT_METHOD):
        feature = get_feature(name)
        if feature is not None and feature.segment in own and feature.kind == "attention":
            found[name] = ValueDescription(feature.label, feature.unit, "reading")
    steered = laid[laid["role"].isin(["part", "control"])]
    there = {v: pd.to_numeric(laid[v], errors="coerce").notna() for v in found if v in laid.columns}
    return {v: found[v] for v, known in there.items() if known.any() and known[steered.index].any()}


def _responses(
    laid: pd.DataFrame, values: Mapping[str, ValueDescription], design: DoseDesign, tell: Callable[[float], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns (levels, trends) over all tasks and by task, with q, the words of each value, and ``factor``."""
    levels, trends = [], []
    for number, (task, own) in enumerate(_designs(laid, design)):
        one = dose_levels(laid, list(values), own, partial(_tell_part, tell, number / 2))
        two = dose_trends(laid, list(values), own, partial(_tell_part, tell, number / 2 + 0.25))
        levels.append(one.assign(task=task) if task else one)
        trends.append(two.assign(task=task) if task else two)
    kinds = {v: a.kind for v, a in values.items()}
    first, second = add_family_q(_joined(levels), _joined(trends), kinds)
    return _described(first, values), _described(second, values)


def _tell_part(tell: Callable[[float], None], start: float, fraction: float) -> None:
    tell(start + fraction / 4)


def _designs(laid: pd.DataFrame, design: DoseDesign) -> list[tuple[str, DoseDesign]]:
    found = [("", replace(design, by=("task", "model")))]
    return [(ALL_TASKS, replace(design, by=("model",))), *found] if laid["task"].nunique() > 1 else found


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    filled = [t for t in tables if len(t)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _described(found: pd.DataFrame, values: Mapping[str, ValueDescription]) -> pd.DataFrame:
    return found.assign(
        **{f: [getattr(values[v], f) for v in found["value"]] for f in ("label", "unit", "kind")},
    )


def _comparable(
    laid: pd.DataFrame, values: Mapping[str, ValueDescription], design: DoseDesign, tell: Callable[[float], None]
) -> pd.DataFrame:
    """Returns the outcomes among answers of comparable length; without the column of words there is none."""
    import pandas as pd

    outcomes = [v for v, a in values.items() if a.kind in ("outcome", "split")]
    if SIZE not in laid.columns or not outcomes:
        return pd.DataFrame()
    parts = set(laid.loc[laid["role"] == "part", "part"])
    found = []
    for task, own in _designs(laid, design):
        one = comparable_levels(laid, outcomes, own, SIZE, tell=tell)
        found.append(one.assign(task=task) if task else one)
    near = _described(_joined(found), values)
    claimed = near["kind"].eq("outcome") & near["part"].isin(parts)
    return near.assign(odds_q=q_values(near["odds_p"].to_numpy(float), claimed.to_numpy()))


def _with_cut(doses: pd.DataFrame, counted: tuple[pd.DataFrame, pd.DataFrame] | None) -> pd.DataFrame:
    """Adds the same differences with cut-off answers counted as not correct; those of other values stay their own."""
    names = ("difference", "low", "high", "q", "net_difference", "net_q")
    doses = doses.assign(**{f"cut_{n}": doses[n] for n in names})
    if counted is None:
        return doses
    keys = ["value", "task", "model", "part", FACTOR]
    again = counted[0].set_index(keys)
    at = doses.set_index(keys).index
    here = doses["value"].isin(set(counted[0]["value"])).to_numpy()
    for n in names:
        doses[f"cut_{n}"] = np.where(here, again[n].reindex(at).to_numpy(float), doses[n])
    return doses


def _judged(doses: pd.DataFrame, laid: pd.DataFrame, comparable: pd.DataFrame) -> pd.DataFrame:
    """Adds role, verdict and claim."""
    roles = dict(zip(laid["part"], laid["role"], strict=True))
    doses = doses.assign(role=[roles[p] for p in doses["part"]])
    keys = ["value", "task", "model", "part", FACTOR]
    near = {} if comparable.empty else comparable.set_index(keys).to_dict("index")
    gates, told = _Gates(laid), []
    for row in doses.to_dict("records"):
        verdict, why = _verdict(row, gates)
        claim, why_not = _claim(row | {"verdict": verdict}, near.get(tuple(row[k] for k in keys)))
        told.append((verdict, why, claim, why_not))
    for i, name in enumerate(("verdict", "why", "effect_of_reading", "why_not")):
        doses[name] = [t[i] for t in told]
    order = {kind: i for i, kind in enumerate(KINDS)}
    doses = doses.assign(at=doses["kind"].map(order)).sort_values("at", kind="stable", ignore_index=True)
    return doses.reindex(columns=list(DOSE_COLUMNS))


class _Gates:
    """What a verdict on a level lacks: prompts, or prompts of each class."""

    def __init__(self, laid: pd.DataFrame) -> None:
        import pandas as pd

        self.laid, self.prompts = laid, pd.factorize(laid["prompt_id"])[0]
        self._rows: dict[tuple[str, str, str, float | None], np.ndarray] = {}
        self._numbers: dict[str, np.ndarray] = {}

    def why(self, row: Mapping[str, Any], whole: bool = False) -> str:
        """Returns a sentence, "" where enough; ``whole``: of all factors of a part together."""
        factor = None if whole or not np.isfinite(row[FACTOR]) else float(row[FACTOR])
        here = self._asked((row["model"], row["task"], row["part"], factor))
        return judge_sample(self._of(row["value"])[here], self.prompts[here]).why

    def _asked(self, key: tuple[str, str, str, float | None]) -> np.ndarray:
        """Returns int [run]: the runs of a level, and the plain ones; a table of levels asks for each many times."""
        if key not in self._rows:
            (model, task, part, factor), t = key, self.laid
            here = (t["model"] == model).to_numpy()
            if task != ALL_TASKS:
                here = here & (t["task"] == task).to_numpy()
            own = (t["part"] == part).to_numpy()
            if factor is not None:
                own = own & (t[FACTOR] == factor).to_numpy()
            self._rows[key] = np.flatnonzero(here & (own | (t["part"] == "").to_numpy()))
        return self._rows[key]

    def _of(self, value: str) -> np.ndarray:
        import pandas as pd

        if value not in self._numbers:
            self._numbers[value] = pd.to_numeric(self.laid[value], errors="coerce").to_numpy(float)
        return self._numbers[value]


def _verdict(row: Mapping[str, Any], gates: _Gates) -> tuple[str, str]:
    """Returns (verdict, why) of the difference to the plain run."""
    if row["role"] == "plain":
        return "plain", "All others are compared with this one."
    if not row["pairs"] >= PROMPTS:
        pairs = int(row["pairs"]) if row["pairs"] > 0 else 0
        return "too few prompts", f"{pairs} prompts with both values: a verdict needs {PROMPTS}."
    why = gates.why(row)
    if why:
        return "too few prompts", why
    if not row["q"] < ALPHA:
        return "no change found", f"q is not below {ALPHA}; the interval says what size was not ruled out."
    if not (row["cut_q"] < ALPHA and row["cut_difference"] * row["difference"] > 0):
        return "no change found", "It does not stand with cut-off answers counted as not correct."
    return ("higher" if row["difference"] > 0 else "lower"), ""


def _claim(row: Mapping[str, Any], near: Mapping[str, Any] | None) -> tuple[bool, str]:
    """Returns (whether it may be called an effect of reading, what is missing)."""
    if row["kind"] != "outcome" or row["role"] != "part" or row["verdict"] not in ("higher", "lower"):
        return False, ""
    sign = row["difference"]
    if not np.isfinite(row["net_difference"]):
        return False, "no other part was turned by the same factor"
    net = row["net_q"] < ALPHA and row["net_difference"] * sign > 0
    if not (net and row["cut_net_q"] < ALPHA and row["cut_net_difference"] * sign > 0):
        return False, "no difference to the same factor on the control part was found"
    if near is None or not near["pairs"] >= PROMPTS:
        pairs = 0 if near is None else int(near["pairs"])
        return False, f"{pairs} pairs of answers have comparable length, and a verdict needs {PROMPTS}"
    left = bool(near["odds_q"] < ALPHA and np.log(near["odds"]) * sign > 0 and near["difference"] * sign > 0)
    return left, "" if left else "no change was found among answers of comparable length"


def _trend_verdicts(
    trends: pd.DataFrame, counted: tuple[pd.DataFrame, pd.DataFrame] | None, laid: pd.DataFrame
) -> pd.DataFrame:
    gates = _Gates(laid)
    keys = ["value", "task", "model", "part", "against"]
    again = {} if counted is None else counted[1].set_index(keys).to_dict("index")

    def verdict(row: Mapping[str, Any]) -> str:
        other = again.get(tuple(row[k] for k in keys), row)
        if row["n"] < PROMPTS or gates.why(row, whole=True):
            return "too few prompts"
        told = row["low"] > 0 or row["high"] < 0  # exchanged labels notice any difference, the interval its direction
        if told and row["q"] < ALPHA and other["q"] < ALPHA and row["slope"] * other["slope"] > 0:
            return "rises" if row["slope"] > 0 else "falls"
        apart = row["q_apart"] < ALPHA and other["q_apart"] < ALPHA
        return "changes without a direction" if apart else "no trend found"

    verdicts = [verdict(row) for row in trends.to_dict("records")]
    return trends.assign(verdict=verdicts).reindex(columns=list(TREND_COLUMNS))


def moves_beside(doses: pd.DataFrame, between: pd.DataFrame) -> pd.DataFrame:
    """Returns *goes with* beside *moves* (MOVE_COLUMNS): a row per feature of a steered part, outcome, model, factor.

    ``goes``: the verdict of the correlation between prompts, over all models and tasks. ``moves``: whether the outcome
    changed with the share that was really read, against it, or no change was found. ``task``: all tasks, or the only
    one.
    """
    import pandas as pd

    known = between.set_index(["feature", "metric"]).to_dict("index") if len(between) else {}
    rows = over_all_tasks(doses)
    keys = ["model", "part", FACTOR]
    read = {v: t.set_index(keys) for v, t in rows[rows["kind"] == "reading"].groupby("value", sort=False)}
    found = []
    for row in rows[(rows["kind"] == "outcome") & rows["role"].isin(["part", "control"])].to_dict("records"):
        for name, shares in read.items():
            feature = get_feature(str(name))
            rho = known.get((name, row["value"]))
            at = tuple(row[k] for k in keys)
            if feature is None or feature.segment != row["part"] or rho is None or at not in shares.index:
                continue
            share = float(shares.loc[at, "mean"])
            plain = share - float(shares.loc[at, "difference"])
            found.append(_move(row, str(name), rho, plain, share))
    return pd.DataFrame(found, columns=list(MOVE_COLUMNS))


def _move(
    row: Mapping[str, Any], feature: str, rho: Mapping[str, Any], plain: float, share: float
) -> dict[str, object]:
    moved = {"higher": 1, "lower": -1}.get(row["verdict"], 0) * np.sign(share - plain)
    goes = {"positive": "with it", "negative": "against it"}.get(rho["verdict"], rho["verdict"])
    moves = "with it" if moved > 0 else "against it" if moved < 0 else row["verdict"]
    numbers = {f"rho_{c}": rho[c] for c in ("low", "high", "q")}
    kept = {c: row[c] for c in ("part", "task", "model", FACTOR, "difference", "low", "high", "q", "effect_of_reading")}
    told = {"goes": goes, "moves": moves, "share_plain": plain, "share": share}
    return {"feature": feature, "metric": row["value"], "rho": rho["rho"], **numbers, **told, **kept}


def over_all_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows over all tasks, or those of the only task."""
    pooled = rows[rows["task"] == ALL_TASKS]
    return pooled if len(pooled) or rows["task"].nunique() > 1 else rows
