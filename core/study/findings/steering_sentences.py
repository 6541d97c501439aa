"""Writes what turning reading up or down changed: differences with intervals, the price, what may be called reading.

Only changes are told with numbers; where none was found the sentence says so. "An effect of reading" stands only where
``steering_effects`` allows it. To add a sentence: a function, a line in ``steering_sentences``. Guarded by
tests/core/test_findings_steering_sentences.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..column_labels import column_label, model_label, structure_label
from ..features import PART_NAMES
from ..quality.metrics import get_metric
from ..statistics.dose_response import COMPARABLE
from ..unsteered_runs import FACTOR
from .number_words import amount_text, counted, p_text, signed_text, unit_text
from .short_answers import SPLIT_LABELS
from .steering_effects import over_all_tasks

if TYPE_CHECKING:
    import pandas as pd

    from .record import Findings

FOLLOWED = "followed"
"""The outcome that is split by instruction."""
STEERED_OUTCOMES = 2
"""Most outcomes with sentences: the first, by rank."""
FRACTIONS = {0.0: "0", 0.0625: "1/16", 0.125: "1/8", 0.25: "1/4", 0.5: "1/2"}
CHANGED = ("higher", "lower")
LIMITS = (
    "Intervals are 95 %. A factor multiplies the odds of reading a part; what it changed holds for these prompts and "
    "models, and says nothing of a prompt that is read so by itself."
)


def times_text(factor: float) -> str:
    """Returns a factor in words: "× 1/4", "× 8"."""
    return f"× {FRACTIONS.get(float(factor), f'{factor:g}')}"


def part_text(part: str) -> str:
    """Returns a part of the prompt in words: "the instruction"."""
    return f"the {PART_NAMES.get(part, part)}"


def steering_sentences(found: Findings) -> list[str]:
    """Returns the sentences, model by model, outcomes first, then the price."""
    rows = over_all_tasks(found.doses)
    outcomes = list(dict.fromkeys(rows.loc[rows["kind"] == "outcome", "value"]))[:STEERED_OUTCOMES]
    told = []
    for model in dict.fromkeys(rows["model"]):
        own = rows[rows["model"] == model]
        for value in outcomes:
            told += _outcome(found, own[own["value"] == value], own, str(model))
        told += _price(own[own["kind"] == "price"], str(model))
    told += _moves(found.moves, outcomes)
    return [*told, LIMITS] if told else []


def _outcome(found: Findings, rows: pd.DataFrame, own: pd.DataFrame, model: str) -> list[str]:
    """Returns the sentences on one outcome of one model: each part, what remains, the rivals."""
    plain = rows[rows["role"] == "plain"]
    if plain.empty or not np.isfinite(plain["mean"].iloc[0]):
        return []
    r = plain.iloc[0].to_dict()
    name = f"{model_label(model)}, {_small(str(r['label']))}: "
    mean, low, high = (amount_text(r[c], r["unit"]) for c in ("mean", "mean_low", "mean_high"))
    start = f"{name}{mean} in the plain run (95 % {low} to {high}; {counted(r['n'], 'prompt')}). "
    told: list[str] = []
    for part, of_part in rows[rows["role"].isin(["part", "control"])].groupby("part", sort=False):
        trends = over_all_tasks(found.dose_trends)
        here = trends["model"].eq(model) & trends["value"].eq(r["value"]) & trends["part"].eq(part)
        said = f"turning {part_text(str(part))} up or down"
        told.append(start + _changes(of_part, said, not told) + _trend(trends[here]))
        start = name
        told += _remains(found, of_part[of_part["verdict"].isin(CHANGED) & of_part["role"].eq("part")], own)
    rivals = rows[rows["role"] == "rival"]
    if len(rivals):
        told.append(start + _changes(rivals, "another wording without steering", False))
    return [line.strip() for line in told]


def _changes(rows: pd.DataFrame, what: str, begins: bool) -> str:
    """Describes the differences to the plain run: those that were found, then the intervals of the others."""
    what = f"{what[0].upper()}{what[1:]}" if begins else what
    records = rows.to_dict("records")
    clear = [f"{_level(r)} {_difference(r)}" for r in records if r["verdict"] in CHANGED]
    same = [_not_found(r) for r in records if r["verdict"] == "no change found"]
    few = [_level(r) for r in records if r["verdict"] == "too few prompts"]
    out = [f"{what} changed it: {'; '.join(clear)}."] if clear else []
    out += [f"{'No change found' if clear else f'{what}: no change found'} at {'; '.join(same)}."] if same else []
    out += [f"{'Too' if out else f'{what}: too'} few prompts for a verdict at {', '.join(few)}."] if few else []
    return " ".join([*out, ""])


def _level(r: Mapping[str, Any]) -> str:
    return structure_label(str(r["part"])) if r["role"] == "rival" else times_text(r[FACTOR])


def _small(label: str) -> str:
    return f"{label[0].lower()}{label[1:]}"


def _difference(r: Mapping[str, Any], start: str = "") -> str:
    return f"{signed_text(r[f'{start}difference'], r['unit'])} ({_ends(r, start)}; q {p_text(r[f'{start}q'])})"


def _not_found(r: Mapping[str, Any]) -> str:
    """Returns a level at which no change was found, with its interval; says where only the correction hides one."""
    beside = ", not significant after correction" if r["low"] > 0 or r["high"] < 0 else ""
    return f"{_level(r)} ({_ends(r)}{beside})"


def _ends(r: Mapping[str, Any], start: str = "") -> str:
    low, high = (signed_text(r[f"{start}{c}"], r["unit"]) for c in ("low", "high"))
    return f"{low} to {high}{unit_text(r['unit'])}"


def _trend(trends: pd.DataFrame) -> str:
    own = trends[trends["against"] == ""]
    if own.empty:
        return ""
    r = own.iloc[0].to_dict()
    if r["verdict"] in ("rises", "falls"):
        change = f"{signed_text(r['slope'], r['unit'])} ({_ends(r)}; q {p_text(r['q'])})"
        return f"Each doubling changed it by {change}."
    if r["verdict"] == "changes without a direction":
        return f"It differs between factors without rising or falling throughout (q {p_text(r['q_apart'])})."
    return "No trend found." if r["verdict"] == "no trend found" else ""


def _remains(found: Findings, rows: pd.DataFrame, own: pd.DataFrame) -> list[str]:
    """Returns what is left of the changes of one part: against the control, at comparable length, by instruction."""
    records = rows.to_dict("records")
    if not records:
        return []
    control = own.loc[own["role"] == "control", "part"]
    net = [f"{_level(r)} {_difference(r, 'net_')}" for r in records if np.isfinite(r["net_difference"])]
    told = [f"Against {part_text(str(control.iloc[0]))} turned by the same factor: {'; '.join(net)}."] if net else []
    near = [f"{_level(r)} {text}" for r in records if (text := _near(found.comparable, r))]
    within = f"Among answers of comparable length (words within a factor of {COMPARABLE:g})"
    told += [f"{within}: {'; '.join(near)}."] if near else []
    if records[0]["value"] == FOLLOWED:
        told += _split(own, records)
    return [" ".join(told), _verdict_words(records)]


def _verdict_words(records: Sequence[Mapping[str, Any]]) -> str:
    """Says which changes are called an effect of reading, and why the others are not."""
    part = part_text(str(records[0]["part"])).capitalize()
    yes = [_level(r) for r in records if r["effect_of_reading"]]
    no = [f"{_level(r)} ({r['why_not']})" for r in records if not r["effect_of_reading"]]
    out = f"{part}, called an effect of reading: {', '.join(yes)}. " if yes else ""
    return (
        f"{out}{'Not called so' if yes else f'{part}, not called an effect of reading'}: {'; '.join(no)}."
        if no
        else out
    )


def _near(comparable: pd.DataFrame, r: Mapping[str, Any]) -> str:
    """Describes one change among answers of comparable length."""
    if comparable.empty:
        return ""
    at = np.logical_and.reduce([comparable[k] == r[k] for k in ("value", "task", "model", "part", FACTOR)])
    if not at.any():
        return ""
    near = comparable[at].iloc[0].to_dict()
    pairs = f"{int(near['pairs'])} of {int(near['of_pairs'])} pairs"
    if not np.isfinite(near["difference"]):
        return f"nothing to compare ({pairs})"
    out = f"{signed_text(near['difference'], r['unit'])} ({_ends(near)}; {pairs}"
    return f"{out}; better in {int(near['better'])}, worse in {int(near['worse'])}, {odds_text(near)})"


def odds_text(near: Mapping[str, Any]) -> str:
    """Returns the odds at equal length in words: "at equal length odds 2.9 (1.3 to 6.8)"."""
    if not np.isfinite(near["odds"]):
        ends = f"{near['odds_low']:.2g} or more" if near["odds_low"] > 0 else "not known"
        ends = f"{near['odds_high']:.2g} or less" if np.isfinite(near["odds_high"]) else ends
        return f"at equal length odds {ends}"
    high = f"{near['odds_high']:.2g}" if np.isfinite(near["odds_high"]) else "any"
    return f"at equal length odds {near['odds']:.2g} ({near['odds_low']:.2g} to {high})"


def _split(own: pd.DataFrame, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describes changes apart for instructions that gain from short answers and for the others."""
    told = []
    for value, words in SPLIT_LABELS.items():
        here = own[(own["value"] == value) & (own["part"] == records[0]["part"])]
        here = here[here[FACTOR].isin([r[FACTOR] for r in records])].to_dict("records")
        clear = [f"{_level(s)} {_difference(s)}" for s in here if s["verdict"] in CHANGED]
        same = [_not_found(s) for s in here if s["verdict"] == "no change found"]
        out = [*clear, *([f"no change found at {', '.join(same)}"] if same else [])]
        told += [f"{words}: {'; '.join(out)}."] if out else []
    return told


def _price(rows: pd.DataFrame, model: str) -> list[str]:
    """Returns a sentence per part: what else changed with it."""
    told = []
    for part, of_part in rows[rows["role"].isin(["part", "control"])].groupby("part", sort=False):
        changed, same = [], []
        for _, of_value in of_part.groupby("value", sort=False):
            records = of_value.to_dict("records")
            label = str(records[0]["label"])
            clear = [f"{times_text(r[FACTOR])} {_short(r)}" for r in records if r["verdict"] in CHANGED]
            if clear:
                changed.append(f"{_small(label)} {', '.join(clear)}")
            elif any(r["verdict"] == "no change found" for r in records):
                same.append(_small(label))
        start = f"{model_label(model)}, the price of turning {part_text(str(part))}: "
        out = f"{'; '.join(changed)}. " if changed else ""
        out += f"{'No change found in' if changed else 'no change found in'} {', '.join(same)}." if same else ""
        if out:
            told.append((start + out).strip())
    return told


def _short(r: Mapping[str, Any]) -> str:
    return f"{signed_text(r['difference'], r['unit'])} ({_ends(r)})"


def _moves(moves: pd.DataFrame, outcomes: Sequence[str]) -> list[str]:
    """Returns *goes with* beside *moves*: a sentence per feature, outcome and model, by the factor that moved most."""
    told = []
    own = moves[moves["metric"].isin(outcomes)] if len(moves) else moves
    for (feature, metric, model), rows in own.groupby(["feature", "metric", "model"], sort=False) if len(own) else ():
        clear = rows[rows["moves"].isin(["with it", "against it"])]
        r = (clear if len(clear) else rows).assign(size=lambda t: t["difference"].abs()).nlargest(1, "size")
        told.append(_moved(r.iloc[0].to_dict(), str(feature), str(metric), str(model), found=bool(len(clear))))
    return told


def _moved(r: dict[str, Any], feature: str, metric: str, model: str, found: bool) -> str:
    rho = f"rho = {r['rho']:.2f} ({r['rho_low']:.2f} to {r['rho_high']:.2f})" if np.isfinite(r["rho"]) else ""
    goes = {"with it": "goes with it", "against it": "goes against it"}.get(r["goes"], str(r["goes"]))
    out = f"“{column_label(feature)}” and “{column_label(metric)}”, observed between prompts: {goes}"
    out += f", {rho}. " if rho else ". "
    step = f"{times_text(r[FACTOR])}, which took it from {r['share_plain']:.2g} to {r['share']:.2g}"
    if not found:
        return f"{out}Changed on purpose ({model_label(model)}): no change found, for example at {step}."
    known = get_metric(metric)
    r |= {"unit": known.unit if known is not None else ""}
    way = "with the share" if r["moves"] == "with it" else "against the share"
    return f"{out}Changed on purpose ({model_label(model)}): {step}, changed the second by {_difference(r)}, {way}."
