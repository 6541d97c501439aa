"""Writes the findings in plain sentences, without claiming a cause.

Importance is reported beside quality, and the last sentence says what would test a cause. A few models are called
"these two models", never an architecture or a size. A verdict exists only with enough prompts; otherwise the sentence
gives their number. To add a sentence: a function, a line in ``findings_sentences``. Guarded by
tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..column_labels import column_label, model_label, structure_label
from ..quality.metrics import outcome_metrics
from .number_words import PERCENT, amount_text, counted, p_text, signed_text, unit_text
from .structure_effects import ALL_TASKS

if TYPE_CHECKING:
    import pandas as pd

    from .record import Findings

TOLD_OUTCOMES = 2
"""Most outcomes with sentences: the first, by rank, that have values."""
NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
CAUSE = (
    "None of this shows that importance decides quality. That would be tested by changing what is read and keeping all "
    "else: mask or move the instruction, write the answer anew, and compare its quality with that of a masked filler."
)

CHANGED = (
    "None of this shows that importance decides quality: it was observed, not changed. What was changed on purpose, by "
    "turning the reading of a part up or down, stands under “What reading does”."
)


def findings_sentences(found: Findings) -> list[str]:
    """Returns the findings, one sentence or two each: the size, what was named in advance, then outcomes."""
    told = [_size(found), *_primary(found), *_quality(found)]
    told += [s for s in (_net(found.attention, "share_instruction"), _net(found.effects, "masked_instruction")) if s]
    told += [*_explored(found), *_told(found), _models(found), CAUSE if found.doses.empty else CHANGED]
    return [s for s in told if s]


def _size(found: Findings) -> str:
    f = found.facts
    ran = f["runs"] - f["failed"]
    parts = (
        f"{counted(f['prompts'], 'prompt')} in {counted(f['tasks'], 'task')}, {counted(f['structures'], 'structure')}"
    )
    controls = f", {f['controls']} of them position controls" if f["controls"] else ""
    cut = f" {100 * f['truncated'] / ran:.0f} % of the answers were cut off by the token limit." if ran else ""
    failed = f" {counted(f['failed'], 'run')} failed." if f["failed"] else ""
    steered = f" {counted(f['steered'], 'steered run')} beside them." if f.get("steered") else ""
    return (
        f"{counted(f['runs'], 'run')} of {parts} and {counted(f['models'], 'model')}{controls}.{cut}{failed}{steered}"
    )


def _quality(found: Findings) -> list[str]:
    have = set(found.quality["value"])
    values = [v for v in outcome_metrics(sorted(have)) if v in have][:TOLD_OUTCOMES]
    told = []
    for value in values:
        rows = _over_all(found.quality[found.quality["value"] == value])
        for model, of_model in rows.groupby("model", sort=False):
            told.append(_levels(of_model, str(model), found.base, _compared(found.quality, str(rows["kind"].iloc[0]))))
    return told


def _compared(table: pd.DataFrame, kind: str, question: str = "") -> int:
    """Returns how many comparisons share the correction of one of this kind."""
    return int(table.loc[table["kind"] == kind, f"{question}q"].notna().sum())


def _levels(rows: pd.DataFrame, model: str, base: str, compared: int) -> str:
    """Describes one outcome of one model: the baseline's level, then each structure against it."""
    first = rows[rows["baseline"]]
    label = str(rows["label"].iloc[0])
    start = f"{model_label(model)}, {label[0].lower() + label[1:]}: "
    if len(first) and np.isfinite(first["mean"].iloc[0]):
        r = first.iloc[0].to_dict()
        mean, low, high = (amount_text(r[c], r["unit"]) for c in ("mean", "mean_low", "mean_high"))
        start += f"{mean} with {structure_label(base)} (95 % {low} to {high}; {counted(r['n'], 'prompt')}). "
    others = rows[~rows["baseline"]].to_dict("records")
    clear = [_clear(r, "") for r in others if r["verdict"] in ("higher", "lower")]
    same = [_open(r, "") for r in others if r["verdict"] == "no difference found"]
    few = [structure_label(r["structure"]) for r in others if r["verdict"] == "too few prompts"]
    start += f"Against it: {'; '.join(clear)}. " if clear else ""
    start += f"Not significant after correction over {compared} comparisons: {'; '.join(same)}. " if same else ""
    start += f"Too few prompts for a verdict: {', '.join(few)}. " if few else ""
    return start.strip()


def _clear(r: Mapping[str, Any], question: str) -> str:
    return f"{structure_label(r['structure'])} {_change(r, question)}{_counted(r, question)}"


def _open(r: Mapping[str, Any], question: str) -> str:
    return f"{structure_label(r['structure'])} ({_range(r, question)}){_counted(r, question)}"


def _counted(r: Mapping[str, Any], question: str) -> str:
    told = "" if question else _cut_off(r)
    return f", {told}" if told else ""


def _change(r: Mapping[str, Any], question: str) -> str:
    scale = 100 if r["unit"] in PERCENT else 1
    return f"{signed_text(scale * r[f'{question}difference'])} ({_range(r, question)})"


def _cut_off(r: Mapping[str, Any]) -> str:
    """Describes how far a difference depends on answers that were cut off; empty where none was."""
    if not np.isfinite(r.get("cut_difference", np.nan)):
        return ""
    scale = 100 if r["unit"] in PERCENT else 1
    cut, least, most = (signed_text(scale * r[c]) for c in ("cut_difference", "least", "most"))
    low, high = (signed_text(scale * r[f"cut_{c}"]) for c in ("low", "high"))
    turned = (r["q"] < 0.05) != (r["cut_q"] < 0.05)
    return (
        f"{'this depends on' if turned else 'with'} the cut-off answers{': ' if turned else ' '}counted as not correct "
        f"{cut} ({low} to {high}), at worst {least} to {most}"
    )


def _range(r: Mapping[str, Any], question: str) -> str:
    scale = 100 if r["unit"] in PERCENT else 1
    low, high = (signed_text(scale * r[f"{question}{c}"]) for c in ("low", "high"))
    pairs = counted(r[f"{question}pairs"], "prompt")
    return f"95 % {low} to {high}{unit_text(r['unit'])}; {pairs}; q {p_text(r[f'{question}q'])}"


def _net(table: pd.DataFrame, value: str) -> str:
    """Describes the effect of structures on one feature beyond moving words."""
    rows = _over_all(table[(table["value"] == value) & ~table["baseline"].astype(bool)])
    if rows.empty:
        return ""
    label = str(rows["label"].iloc[0])
    records = rows.to_dict("records")
    clear = [f"{model_label(r['model'])}, {_clear(r, 'net_')}" for r in records if r["verdict"] in ("higher", "lower")]
    same = [f"{model_label(r['model'])}, {_open(r, 'net_')}" for r in records if r["verdict"] == "no difference found"]
    rest = sum(r["verdict"] in ("too few prompts", "no position control") for r in records)
    out = f"{label}, as the difference to each structure's position control and compared with the baseline's: "
    out += f"{'; '.join(clear)}. " if clear else "no structure stands out. "
    compared = _compared(table, str(rows["kind"].iloc[0]), "net_")
    out += f"Not significant after correction over {compared} comparisons: {'; '.join(same)}. " if same else ""
    out += f"{counted(rest, 'comparison')} without a verdict (no position control, or too few prompts)." if rest else ""
    return out.strip()


def _primary(found: Findings) -> list[str]:
    told = []
    for what, table in _estimands(found):
        for r in table[table["primary"].astype(bool)].to_dict("records"):
            name = f"Named in advance, {what}: {_pair(r, 'and')}"
            if r["verdict"] in ("too few prompts", "linked"):
                told.append(f"{name}: no verdict. {r['why']}".strip())
                continue
            seen = {"positive": "go together", "negative": "go against each other"}.get(
                r["verdict"], "no correlation was found"
            )
            told.append(f"{name}: {seen}, {_rho(r)}, p {p_text(r['p_primary'])} after Holm. {r['why']}".strip())
    return told


def _explored(found: Findings) -> list[str]:
    told = []
    for what, table in _estimands(found):
        rest = table[~table["primary"].astype(bool) & table["q"].notna()]
        if rest.empty:
            continue
        clear = rest[rest["verdict"].isin(["positive", "negative"])]
        out = f"Exploratory, {what}: {len(clear)} of {len(rest)} pairs of a feature and a metric have q below 0.05, "
        out += "also with the length of the prompt held fixed and with cut-off answers counted as not correct"
        if len(clear):
            order = clear.assign(size=clear["rho"].abs()).sort_values(["size"], ascending=False, kind="stable")
            r = order.iloc[0].to_dict()
            out += f"; the strongest is {_pair(r, 'with')}, {_rho(r)}, q {p_text(r['q'])}"
        told.append(out + ".")
    return told


def _pair(r: Mapping[str, Any], word: str) -> str:
    return f"“{column_label(r['feature'])}” {word} “{column_label(r['metric'])}”"


def _estimands(found: Findings) -> list[tuple[str, pd.DataFrame]]:
    pairs = [("between prompts", found.correlations_between), ("within a prompt", found.correlations_within)]
    return [(what, t) for what, t in pairs if len(t)]


def _told(found: Findings) -> list[str]:
    """Describes predictions: the first scheme of each model and outcome, beside its strongest baseline."""
    told = []
    for (model, outcome), rows in found.prediction.groupby(["model", "outcome"], sort=False):
        rows = rows[rows["scheme"] == rows["scheme"].iloc[0]].set_index("features")
        if "heads" not in rows.index or not np.isfinite(rows.loc["heads", "auroc"]):
            continue
        r = rows.loc["heads"].to_dict()
        where = "a task" if r["scheme"] == "leave one task out" else "prompts"
        name = column_label(str(outcome))
        out = f"{model_label(str(model))}: in {where} left out, single heads tell “{name}” with AUROC {_auroc(r)}"
        if r["verdict"] == "too few prompts":
            told.append(f"{out}. No verdict: {r['why']}")
            continue
        base = rows.loc["base rates"].to_dict()
        others = rows[(rows["kind"] == "baseline") & (rows.index != "base rates")].sort_values("auroc")
        out += f"; task and structure alone reach {_auroc(base)}"
        if len(others):
            best = others.iloc[-1].to_dict()
            label = str(best["label"]).removeprefix("Baseline: ")
            out += f", the strongest other baseline ({label}) {_auroc(best)}"
        told.append(f"{out}. Verdict: {r['verdict']}.")
    return told


def _models(found: Findings) -> str:
    n = found.facts["models"]
    if n < 2:
        return "One model was asked: nothing here says how others behave."
    these = f"these {NUMBER_WORDS.get(n, n)} models"
    return f"Differences between models hold for {these} and these prompts; what sets the models apart was not varied."


def _over_all(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows over all tasks, or those of the only task."""
    pooled = rows[rows["task"] == ALL_TASKS]
    return pooled if len(pooled) or rows["task"].nunique() > 1 else rows


def _rho(r: Mapping[str, Any]) -> str:
    return f"rho = {r['rho']:.2f} (95 % {r['low']:.2f} to {r['high']:.2f}; {counted(r['n'], 'prompt')})"


def _auroc(r: Mapping[str, Any]) -> str:
    return f"{r['auroc']:.2f} ({r['low']:.2f} to {r['high']:.2f})"
