"""Makes the figure and the tables of the section *What reading does*, for the page and for the report.

Nothing is computed here: rows come from ``core.study.findings.steering_effects``. Guarded by
tests/core/test_findings_steering_views.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...charts.interval_rows import hollow_line, value_with_interval
from ...charts.study_doses import dose_chart
from ...charts.study_quality import in_percent
from ..column_labels import column_label, model_label, structure_label, task_label
from ..quality.metrics import get_metric
from ..unsteered_runs import FACTOR
from .figures import StudyFigure
from .number_words import p_text, signed_text, unit_text
from .steering_sentences import odds_text, part_text, times_text
from .structure_effects import ALL_TASKS, ALPHA

if TYPE_CHECKING:
    import pandas as pd

STEERING_HEADING = "What reading does"
ABOUT_STEERING = (
    "Reading of a part of the prompt was turned up or down, and the same prompts were answered anew. Each point is "
    "compared with the plain run (factor 1) and with the same factor on the control part, prompt by prompt."
)
LEFT_UNSAID = (
    "It holds for these prompts and models. A change that is gone among answers of comparable length is no effect of "
    "reading."
)
READING_WORDS = {True: "effect of reading", False: ""}


def picked_rows(table: pd.DataFrame, value: str, task: str, model: str) -> pd.DataFrame:
    """Returns the rows of one value, task and model."""
    return table[(table["value"] == value) & (table["task"] == task) & (table["model"] == model)]


def steering_tasks(doses: pd.DataFrame) -> list[str]:
    """Returns the tasks of the table, all tasks first."""
    seen = list(dict.fromkeys(doses["task"]))
    return sorted(seen, key=lambda t: t != ALL_TASKS)


def dose_figure(doses: pd.DataFrame, value: str, task: str, model: str) -> StudyFigure:
    """Draws a value against the factor: a line per part, rivals beside."""
    own = picked_rows(doses, value, task, model)
    label, unit = str(own["label"].iloc[0]), str(own["unit"].iloc[0])
    rows = own.assign(
        series=[_series(r) for r in own.to_dict("records")],
        value=own["mean"].astype(float),
        low=own["mean_low"].astype(float),
        high=own["mean_high"].astype(float),
        faint=own["verdict"].eq("too few prompts"),
        note=[_note(r) for r in own.to_dict("records")],
    )
    percent = in_percent(unit)
    drawn = dose_chart(
        rows,
        title=label,
        axis=label if percent or not unit else f"{label} ({unit})",
        rivals={s: _beside(s) for s in rows.loc[rows["role"] == "rival", "series"]},
        percent=percent,
        lines=[
            f"{model_label(model)}, {task_label(task).lower()}",
            "bars: 95 % intervals, prompts drawn as wholes; dashed: the plain run",
            *hollow_line(rows),
        ],
    )
    said = f"Each point is the mean of “{label}” with the reading of a part multiplied by the factor."
    frame = own[["task", "model", "part", "role", FACTOR, "n", "mean", "mean_low", "mean_high", "verdict"]]
    return StudyFigure(f"reading-{value}", label, drawn, said, LEFT_UNSAID, frame)


def _series(row: Mapping[str, Any]) -> str:
    if row["role"] == "plain":
        return ""
    if row["role"] == "rival":
        return structure_label(str(row["part"]))
    words = part_text(str(row["part"])).removeprefix("the ").capitalize()
    return f"{words} (control)" if row["role"] == "control" else words


def _beside(label: str) -> str:
    """Returns the words of a rival for the axis, where "instruction" goes without saying."""
    words = label.replace("_", " ")
    return words[len("instruction ") :] if words.lower().startswith("instruction ") else words


def _note(row: Mapping[str, Any]) -> str:
    if row["role"] == "plain":
        return ""
    if row["effect_of_reading"]:
        return "an effect of reading"
    return str(row["verdict"]) + (f"; {row['why_not']}" if row["why_not"] else "")


def steering_table(doses: pd.DataFrame, comparable: pd.DataFrame, value: str, task: str, model: str) -> pd.DataFrame:
    """Returns a row per level in words: value, change, against the control part, at comparable length, verdict."""
    import pandas as pd

    own = picked_rows(doses, value, task, model)
    near = picked_rows(comparable, value, task, model) if len(comparable) else comparable
    known = {(r["part"], _factor(r)): r for r in near.to_dict("records")}
    found = []
    for r in own.to_dict("records"):
        unit, plain = str(r["unit"]), r["role"] == "plain"
        value_words = value_with_interval(r["mean"], r["mean_low"], r["mean_high"], in_percent(unit))
        line = {"What": _series(r) or "Plain run", "Factor": _factor(r), "Value": value_words}
        line |= {"Change": _change(r, "", unit), "q": _q(r["q"])}
        line |= {"Against the control": _change(r, "net_", unit), "q of that": _q(r["net_q"])}
        line |= _near(known.get((r["part"], _factor(r))), unit)
        line |= {"Prompts": str(int(r["n"])), "Verdict": "" if plain else _verdict(r), "What is missing": _missing(r)}
        found.append(line)
    return _without_blanks(pd.DataFrame(found))


def _near(row: Mapping[str, Any] | None, unit: str) -> dict[str, str]:
    if row is None:
        return {"At comparable length": "", "Pairs": "", "Odds at equal length": ""}
    pairs = f"{int(row['pairs'])} of {int(row['of_pairs'])}"
    odds = odds_text(row).removeprefix("at equal length odds ") if row["better"] + row["worse"] > 0 else ""
    return {"At comparable length": _change(row, "", unit), "Pairs": pairs, "Odds at equal length": odds}


def _verdict(row: Mapping[str, Any]) -> str:
    return f"{row['verdict']}, effect of reading" if row["effect_of_reading"] else str(row["verdict"])


def _missing(row: Mapping[str, Any]) -> str:
    """Returns why a change is not called an effect of reading, or why there is no verdict; "" for all else."""
    said = str(row["why_not"]) or ("" if row["role"] == "plain" or row["q"] >= ALPHA else str(row["why"]))
    said = str(row["why"]) if row["verdict"] == "too few prompts" else said
    return f"{said[0].upper()}{said[1:]}" if said else ""


def price_table(doses: pd.DataFrame, task: str, model: str) -> pd.DataFrame:
    """Returns a row per part and factor in words: what else changed against the plain run; ● where q is below 0.05."""
    import pandas as pd

    own = doses[(doses["kind"] == "price") & (doses["task"] == task) & (doses["model"] == model)]
    own = own[own["role"] != "plain"]
    found: dict[tuple[str, str], dict[str, str]] = {}
    for r in own.to_dict("records"):
        key = _series(r), _factor(r)
        mark = "● " if r["verdict"] in ("higher", "lower") else ""
        line = found.setdefault(key, {"What": key[0], "Factor": key[1]})
        line[str(r["label"])] = mark + _change(r, "", str(r["unit"]))
    return pd.DataFrame(list(found.values())).fillna("")


def moves_table(moves: pd.DataFrame, metric: str, model: str) -> pd.DataFrame:
    """Returns *goes with* beside *moves* in words: a row per feature and factor."""
    import pandas as pd

    known, found = get_metric(metric), []
    unit = known.unit if known is not None else ""
    for r in moves[(moves["metric"] == metric) & (moves["model"] == model)].to_dict("records"):
        rho = value_with_interval(r["rho"], r["rho_low"], r["rho_high"])
        found.append(
            {"Feature": column_label(str(r["feature"])), "Goes with (observed)": f"{rho}: {r['goes']}"}
            | {"Factor": times_text(r[FACTOR]), "Share, plain → steered": f"{r['share_plain']:.2g} → {r['share']:.2g}"}
            | {"Change of the outcome": _change(r, "", unit), "Moves (changed)": str(r["moves"])}
            | {"q": _q(r["q"]), "Called": READING_WORDS[bool(r["effect_of_reading"])]}
        )
    return pd.DataFrame(found)


def _change(row: Mapping[str, Any], start: str, unit: str) -> str:
    """Returns a difference with its interval: "+25.0 (+13.1 to +36.2) points"."""
    if not np.isfinite(row[f"{start}difference"]):
        return ""
    change, low, high = (signed_text(row[f"{start}{c}"], unit) for c in ("difference", "low", "high"))
    ends = f" ({low} to {high})" if np.isfinite(row[f"{start}low"]) else ""
    return f"{change}{ends}{unit_text(unit)}"


def _factor(row: Mapping[str, Any]) -> str:
    return times_text(row[FACTOR]) if np.isfinite(row[FACTOR]) else ""


def _q(q: float) -> str:
    return p_text(q).removeprefix("= ") if np.isfinite(q) else ""


def _without_blanks(table: pd.DataFrame, keep: Sequence[str] = ("What", "Factor")) -> pd.DataFrame:
    """Returns the table without columns in which nothing stands."""
    return table[[c for c in table if c in keep or table[c].astype(str).str.strip().ne("").any()]]
