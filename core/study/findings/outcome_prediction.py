"""Predicts good answers from importance, for each model and yes / no outcome (``predict_outcome`` with baselines).

Heads differ between models, so models are never mixed here. Position controls are left out: their prompts lack the
instruction. The embedding of the prompts (MiniLM) is a baseline where its files are on this machine. To add a single
feature: a name in ``SINGLE``. Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import HeedError
from ...progress import IsCancelled
from ..quality.metrics import outcome_metrics
from .structure_effects import ALPHA

if TYPE_CHECKING:
    import pandas as pd

    Heads = Callable[..., np.ndarray]

MOST_OUTCOMES = 2
"""Most yes / no outcomes that are predicted: the first, by rank, that vary."""
SINGLE = (
    *("share_instruction", "share_check", "share_instruction@learned-heads", "share_check@learned-heads", "lookback"),
    *("sink", "entropy", "head_entropy", "prompt_entropy", "rauq", "masked_instruction", "masked_check"),
)
WHOLE, FIRST_STEP = "heads", "heads, first step"
SPREAD, FIRST_SPREAD = "entropy of heads", "entropy of heads, first step"
PREDICTOR_LABELS = {
    WHOLE: "All heads: shares and lookback",
    FIRST_STEP: "All heads: shares, first answer step only",
    SPREAD: "All heads: entropy",
    FIRST_SPREAD: "All heads: entropy, first answer step only",
    "base rates": "Baseline: rates of task and structure",
    "other run": "Baseline: all heads of another prompt's run",
    "length": "Baseline: length of prompt and answer",
    "log-probability": "Baseline: log-probability of the answer",
    "prompt embedding": "Baseline: embedding of the prompt",
}
ANSWER_PARTS = {
    **{WHOLE: "whole answer", FIRST_STEP: "first step", "other run": "whole answer"},
    **{SPREAD: "whole answer", FIRST_SPREAD: "first step"},
}
OUTCOME_COLUMNS = (
    *("model", "outcome", "scheme", "kind", "features", "label", "part", "auroc", "low", "high"),
    *("within", "within_low", "within_high", "over_base", "over_low", "over_high", "direction", "c"),
    *("n", "runs", "positives", "negatives", "q", "q_over", "q_within", "verdict", "why"),
)
INTERVALS = {"q": ("auroc", "low", "high", 0.5), "q_over": ("over_base", "over_low", "over_high", 0.0),
             "q_within": ("within", "within_low", "within_high", 0.5)}  # fmt: skip
"""{corrected p: the columns of an estimate and its 95 % interval, and what it is without any prediction}"""


def predict_outcomes(
    table: pd.DataFrame,
    heads: Heads | None,
    prompts: Mapping[str, str] | None,
    labels: Mapping[str, str],
    *,
    entropies: Heads | None = None,
    first: Sequence[str] = (),
    resamples: int = 999,
    seed: int = 0,
    progress: Callable[..., None],
    cancelled: IsCancelled,
) -> pd.DataFrame:
    """Returns a row per model x outcome x scheme x set of columns (``OUTCOME_COLUMNS``), leave-one-task-out first.

    ``table``: runs that did not fail, no controls. ``heads`` and ``entropies`` as in ``compute_findings``. ``first``:
    features to test before those in SINGLE; ``labels`` {column: plain words}. Raises Cancelled.
    """
    import pandas as pd

    models = list(dict.fromkeys(table["model"]))
    known = outcome_metrics(table.columns, binary=True, variants=True)
    outcomes = [o for o in known if o in table.columns and table[o].nunique() > 1][:MOST_OUTCOMES]
    jobs = [(m, o) for m in models for o in outcomes]
    found = []
    vectors = prompt_vectors(table, prompts) if jobs else None
    for number, (model, outcome) in enumerate(jobs):
        rows = (table["model"] == model).to_numpy() & table[outcome].notna().to_numpy()

        def tell(fraction: float | None, text: str, _: Any = None, number: int = number, model: str = model) -> None:
            progress((number + (fraction or 0)) / len(jobs), f"{model}: {text}", None)

        sets = {"resamples": resamples, "seed": seed, "progress": tell, "cancelled": cancelled}
        own = None if vectors is None else vectors[rows]
        found.append(
            _one(table[rows], outcome, heads, entropies, own, first, sets).assign(model=model, outcome=outcome)
        )
    if not found:
        return pd.DataFrame(columns=list(OUTCOME_COLUMNS))
    out = pd.concat(found, ignore_index=True)
    out["label"] = [PREDICTOR_LABELS.get(f, labels.get(f, f)) for f in out["features"]]
    out["part"] = [ANSWER_PARTS.get(f, "") for f in out["features"]]
    order = out["scheme"].map({"leave one task out": 0}).fillna(1)
    out = out.assign(order=order).sort_values("order", kind="stable")
    return correct_verdicts(out.reindex(columns=list(OUTCOME_COLUMNS)).reset_index(drop=True))


def correct_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Adds ``q``, ``q_over`` and ``q_within``, and takes back verdicts that do not stand among so many predictions.

    p from the normal distribution with the interval's standard error, Benjamini-Hochberg over all rows that have enough
    prompts. An interval that clears its bar by itself would do so in 1 of 40 predictions from noise.
    """
    from scipy import stats

    from ..statistics import q_values

    enough = (table["verdict"] != "too few prompts").to_numpy()
    for name, (value, low, high, nothing) in INTERVALS.items():
        error = (table[high] - table[low]).to_numpy(float) / (2 * stats.norm.isf(0.025))
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * stats.norm.sf(np.abs(table[value].to_numpy(float) - nothing) / error)
        table = table.assign(**{name: q_values(np.where(enough, p, np.nan))})
    told = [_corrected(row) for row in table.to_dict("records")]
    return table.assign(verdict=[v for v, _ in told], why=[w for _, w in told])


def _corrected(row: Mapping[str, Any]) -> tuple[str, str]:
    verdict, why = str(row["verdict"]), str(row["why"] or "")
    needs = {"separates": ("q",), "above the base rates": ("q", "q_over"), "not above the base rates": ("q",),
             "within task and structure only": ("q_within",)}.get(verdict, ())  # fmt: skip
    failed = [name for name in needs if not row[name] < ALPHA]
    if not failed:
        return verdict, why
    why = f"It does not stand after correction for the number of predictions (q = {row[failed[0]]:.2g})."
    return ("not above the base rates" if failed == ["q_over"] else "no separation found"), why


def _one(
    rows: pd.DataFrame,
    outcome: str,
    heads: Heads | None,
    entropies: Heads | None,
    vectors: np.ndarray | None,
    first: Sequence[str],
    sets: Mapping[str, Any],
) -> pd.DataFrame:
    from ..statistics.prediction import predict_outcome

    names = [n for n in dict.fromkeys((*first, *SINGLE)) if n in rows and rows[n].notna().mean() > 0.5]
    baselines = {
        "length": rows.reindex(columns=["prompt_tokens", "output_tokens"]).to_numpy(float),
        "log-probability": rows.reindex(columns=["mean_logprob"]).to_numpy(float),
    }
    if vectors is not None:
        baselines["prompt embedding"] = vectors
    return predict_outcome(
        _of_heads(rows, heads, entropies),
        rows[outcome].to_numpy(float),
        rows["prompt_id"].to_numpy(),
        rows["task"].to_numpy(),
        rows["structure"].to_numpy(),
        baselines=baselines,
        single={n: rows[n].to_numpy(float) for n in names},
        **sets,
    )


def _of_heads(rows: pd.DataFrame, heads: Heads | None, entropies: Heads | None) -> dict[str, np.ndarray]:
    if heads is None or rows.empty:
        return {}
    whole = np.asarray(heads(rows), float)
    if not np.isfinite(whole).any():
        return {}
    found = {WHOLE: whole, FIRST_STEP: np.asarray(heads(rows, part="first step"), float)}
    if entropies is not None:
        both = {SPREAD: entropies(rows), FIRST_SPREAD: entropies(rows, part="first step")}
        found |= {name: np.asarray(v, float) for name, v in both.items() if np.isfinite(v).any()}
    return found


def prompt_vectors(table: pd.DataFrame, prompts: Mapping[str, str] | None) -> np.ndarray | None:
    """Returns float32 [run, 384] of each run's prompt, or None.

    None where texts are not known or the encoder is not on this machine.
    """
    from ..quality import encoder

    names = list(dict.fromkeys(table["prompt_id"]))
    if not prompts or any(n not in prompts for n in names) or not encoder.encoder_is_fetched():
        return None
    try:
        vectors = encoder.embed_texts([prompts[n] for n in names])
    except HeedError:
        return None
    place = {n: i for i, n in enumerate(names)}
    return vectors[[place[n] for n in table["prompt_id"]]]
