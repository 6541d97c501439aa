"""Made-up findings of a study in milliseconds, for tests of pages and report: the right columns, arbitrary numbers.

Means and shares are those of the table; differences, correlations and AUROCs are drawn at random. Their true values
are tested where they are computed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.study.column_labels import features_of, metrics_of
from core.study.features import FEATURES
from core.study.findings.record import Findings
from core.study.quality.metrics import METRICS

ENDS = ("difference", "low", "high", "p", "q", "pairs")


def made(runs: pd.DataFrame, seed: int = 0, prediction: bool = True) -> Findings:
    """Made-up findings of the table ``runs``."""
    rng = np.random.default_rng(seed)
    own = runs[~runs["control"]]
    metrics = [m for m in metrics_of(runs.columns) if own[m].notna().any()]
    features = [f for f in features_of(runs.columns) if own[f].notna().any()]
    causal = [f for f in features if FEATURES[f].kind == "causal"]
    between = correlations(features, metrics, rng)
    return Findings(
        quality=by_structure(own, metrics, rng),
        attention=by_structure(own, [f for f in features if f not in causal], rng),
        effects=by_structure(own, causal, rng),
        correlations_between=between,
        correlations_within=correlations(features, metrics, rng),
        forests={(features[0], metrics[0]): forest(own, rng)} if features and metrics else {},
        prediction=predictions(own, rng) if prediction else predictions(own, rng).iloc[:0],
        cells=cells(runs),
        sentences=("A made-up sentence about outcomes.", "A made-up sentence about attention."),
        methods_text="The first paragraph of the methods.\n\nThe second one.",
    )


def by_structure(own: pd.DataFrame, values: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """A made-up table like ``Findings.quality``."""
    out = []
    known = {**METRICS, **FEATURES}
    base = "instruction_first" if "instruction_first" in set(own["structure"]) else own["structure"].iloc[0]
    groups = [("all tasks", own), *own.groupby("task", sort=False)]
    for value in values:
        for task, part in groups:
            for (model, structure), cell in part.groupby(["model", "structure"], sort=False):
                first = structure == base
                mean, size = cell[value].mean(), cell[value].std() / np.sqrt(max(cell[value].count(), 1)) * 2
                row = {"value": value, "label": known[value].label, "unit": known[value].unit}
                row |= {"kind": known[value].kind, "task": task, "model": model, "structure": structure}
                row |= {"baseline": first, "runs": len(cell), "n": cell["prompt_id"].nunique()}
                row |= {"undefined": cell[value].isna().mean()}
                row |= {"mean": mean, "mean_low": mean - size, "mean_high": mean + size}
                for start in ("", "control_", "net_"):
                    d = np.nan if first and start != "control_" else size * rng.normal()
                    ends = (d, d - size, d + size, rng.random(), rng.random(), row["n"])
                    row |= {f"{start}{e}": v for e, v in zip(ENDS, ends, strict=True)}
                verdict = "baseline" if first else "too few prompts" if row["n"] < 30 else "no difference found"
                out.append(row | {"verdict": verdict, "why": "" if row["n"] >= 30 else "There are too few prompts."})
    return pd.DataFrame(out, columns=None if out else ["value", "label", "unit", "kind"])


def correlations(features: list[str], metrics: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """A made-up table like ``Findings.correlations_between``; words and output length are linked."""
    out = []
    for feature in features:
        for metric in metrics:
            linked = metric in ("words", "tokens", "characters") and feature.startswith("share_output")
            rho = np.nan if linked else rng.uniform(-0.4, 0.4)
            row = {"feature": feature, "metric": metric, "rho": rho, "low": rho - 0.2, "high": rho + 0.2}
            row |= {
                "p": rng.random(),
                "q": np.nan if linked else rng.random(),
                "n": 40,
                "strata": 4,
                "i2": 0.3,
                "tau": 0.1,
            }
            row |= {"linked": linked, "rho_controlled": rho, "primary": False, "p_primary": np.nan}
            out.append(row | {"verdict": "no relation found", "why": "linked by construction" if linked else ""})
    names = [
        "feature",
        "metric",
        "rho",
        "low",
        "high",
        "p",
        "q",
        "n",
        "strata",
        "i2",
        "tau",
        "linked",
        "rho_controlled",
    ]
    return pd.DataFrame(out, columns=[*names, "primary", "p_primary", "verdict", "why"])


def forest(own: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A made-up table like that of ``core.study.statistics.stratum_forest.forest``."""
    strata = own[["task", "model", "structure"]].drop_duplicates().reset_index(drop=True)
    rho = rng.uniform(-0.3, 0.5, len(strata))
    table = strata.assign(stratum="x", rho=rho, low=rho - 0.3, high=rho + 0.3, n=40, gate=True, why="", weight=0.1)
    last = {"stratum": "pooled", "rho": 0.1, "low": 0.0, "high": 0.2, "n": 120, "gate": True, "why": ""}
    last |= {"Q": 12.3, "i2": 0.4, "tau2": 0.02, "low_next": -0.3, "high_next": 0.5}
    return pd.concat([table, pd.DataFrame([last])], ignore_index=True)


def predictions(own: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A made-up table like ``Findings.prediction``."""
    kinds = [
        ("heads", "heads", "Shares of every head", "whole answer"),
        ("heads", "heads", "Shares of every head", "first step"),
    ]
    kinds += [("feature", "lookback", "Lookback ratio", "")]
    kinds += [("baseline", "rates", "Task and structure alone", ""), ("baseline", "length", "Length of the answer", "")]
    out = []
    for model in own["model"].unique():
        for scheme in ("leave one task out", "prompts in folds"):
            for kind, features, label, part in kinds:
                a = rng.uniform(0.45, 0.75)
                row = {"model": model, "outcome": "followed", "scheme": scheme, "kind": kind, "features": features}
                row |= {"label": label, "part": part, "auroc": a, "low": a - 0.1, "high": a + 0.1}
                row |= {"within": a - 0.05, "within_low": a - 0.15, "within_high": a + 0.05}
                row |= {"over_base": 0.0, "over_low": -0.1, "over_high": 0.1, "direction": "higher", "c": 1.0, "n": 80}
                row |= {"runs": 200, "positives": 60, "negatives": 50, "verdict": "", "why": ""}
                out.append(row)
    return pd.DataFrame(out)


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """A made-up table like ``Findings.cells``."""
    out = []
    for (task, structure, control, model), part in runs.groupby(["task", "structure", "control", "model"], sort=False):
        failed = part["error"].ne("")
        row = {"task": task, "structure": structure, "control": control, "model": model, "runs": len(part)}
        row |= {"prompts": part["prompt_id"].nunique(), "failed": int(failed.sum()), "failed_share": failed.mean()}
        row |= {"truncated": int(part.loc[~failed, "truncated"].sum())}
        out.append(row | {"truncated_share": part.loc[~failed, "truncated"].mean(), "reason": ""})
    return pd.DataFrame(out)
