"""Computes all findings of a study: tables for the page and the report, sentences, and the methods section.

``compute_findings(runs, ...)`` takes the runs table (a study's, or one that was uploaded with the same columns) and
computes, in this order: how good the answers are by structure, task and model; the effect of structures on attention
and on ablation effects beyond moving words; whether importance goes with quality, between prompts and within a prompt;
whether it predicts good answers for unseen prompts. The statistics are in ``core.study.statistics`` and independent of
studies; here it is decided what is tested and what may be claimed. Guarded by tests/core/test_findings_analysis.py
(planted truths, nulls).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import Cancelled, StudyError
from ...progress import IsCancelled
from ..unsteered_runs import steered_only, unsteered
from .correlations import add_verdicts, forests, relate_columns, varying_columns
from .cut_off import add_cut_off, correlations_with_cut_off, cut_off_values
from .outcome_prediction import correct_verdicts
from .record import NEEDED_COLUMNS, Findings, comparison_resamples
from .structure_effects import ValueDescription, compare_structures

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ..plan import Plan

CELL_COLUMNS = (
    *("task", "structure", "control", "model", "runs", "prompts", "failed", "failed_share"),
    *("truncated", "truncated_share", "reason"),
)


def compute_findings(
    runs: pd.DataFrame,
    instructions: pd.DataFrame | None = None,
    heads: Callable[..., np.ndarray] | None = None,
    plan: Plan | None = None,
    *,
    entropies: Callable[..., np.ndarray] | None = None,
    prompts: Mapping[str, str] | None = None,
    slow: bool = True,
    prediction: pd.DataFrame | None = None,
    permutations: int = 999,
    resamples: int = 999,
    seed: int = 0,
    progress: Callable[..., None] | None = None,
    cancelled: IsCancelled | None = None,
) -> Findings:
    """Returns the Findings of the table ``runs``.

    ``instructions``: the table of verified instructions; ``heads(rows, part="all")`` returns float [run, F] for rows of
    one model, as ``Study.heads`` does, ``entropies`` as ``Study.head_entropies``; ``plan``: names baseline and primary
    pairs; None for a table from elsewhere.
    ``prompts`` {prompt_id: text} for one more baseline. ``slow=False`` leaves ``prediction`` empty, or as it is given.
    ``progress(fraction, text, None)``. ``permutations`` and ``resamples``: those of correlations (see
    ``comparison_resamples``). Raises StudyError for a table without the columns in NEEDED_COLUMNS, Cancelled.
    """
    asked = _Asked(progress, cancelled, 0.35 if slow else 1.0)
    every = _plain(runs)
    table, steered = unsteered(every), steered_only(every)
    base = baseline_of(table, plan)
    ran = table["error"] == ""
    rules = None if instructions is None else unsteered(instructions)
    about = _about(table)
    effort = {"resamples": comparison_resamples(permutations), "seed": seed}
    compared = _compared(table, ran, about, base, effort, asked)
    own = _rows(table, ran & ~table["control"])
    primary = tuple(plan.primary) if plan is not None else ()
    between, within = _related(own, rules, about, primary, permutations, resamples, seed, asked)
    outcomes = [k for k, a in about.items() if a.kind == "outcome"]
    asked.tell(0.97, "Strata one by one")
    drawn = forests(own, between, primary, outcomes, seed) if len(between) else {}
    told = _no_told() if prediction is None else correct_verdicts(prediction)
    if slow:
        told = _told(own, heads, entropies, prompts or _prompts(plan), about, primary, resamples, seed, asked)
    moved = _moved(table, steered, instructions, about, base, between, permutations, seed, asked)
    found = Findings(
        *compared, between, within, drawn, told, cells_of(table), base=base, facts=_facts(table, steered), **moved
    )
    return _with_words(found, plan, permutations, resamples)


ESTIMAND_WORDS = {"between": "between prompts", "within": "within a prompt"}


class _Asked:
    """Progress over all parts, and cancellation."""

    def __init__(self, progress: Callable[..., None] | None, cancelled: IsCancelled | None, fast: float) -> None:
        self._progress = progress or (lambda *_: None)
        self.cancelled = cancelled or (lambda: False)
        self.fast = fast

    def tell(self, fraction: float, text: str) -> None:
        """Reports ``fraction`` of the fast parts. Raises Cancelled."""
        self.stop()
        self._progress(fraction * self.fast, text, None)

    def tell_part(self, start: float, width: float, text: str, fraction: float) -> None:
        self.tell(start + width * fraction, text)

    def stop(self) -> None:
        """Raises Cancelled where that was asked for."""
        if self.cancelled():
            raise Cancelled("The findings were stopped.")

    def tell_slow(self, fraction: float | None, text: str, _: Any = None) -> None:
        self._progress(self.fast + (1 - self.fast) * (fraction or 0), text, None)


def _compared(
    table: pd.DataFrame,
    ran: pd.Series,
    about: Mapping[str, ValueDescription],
    base: str,
    effort: Mapping[str, int],
    asked: _Asked,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``ran`` bool [run]: did not fail."""
    effects = compare_structures(
        _rows(table, ran), about, base, check=lambda f, text: asked.tell(0.07 * f, text), **effort
    )
    asked.tell(0.07, "Cut-off answers counted otherwise")
    outcomes = {k: a for k, a in about.items() if a.kind == "outcome"}

    def again(counted: pd.DataFrame) -> pd.DataFrame:
        return compare_structures(
            counted, outcomes, base, resamples=effort["resamples"], seed=effort["seed"], check=lambda *_: asked.stop()
        )

    # bounds are of the plain difference: no position controls
    own = _rows(table, ran & ~table["control"]).reset_index(drop=True)
    effects = add_cut_off(effects, own, cut_off_values(own, about), base, again)
    kinds = (("outcome", "proxy", "descriptor"), ("attention",), ("causal",))
    first, second, third = (effects[effects["kind"].isin(k)].reset_index(drop=True) for k in kinds)
    return first, second, third


def _related(
    own: pd.DataFrame,
    instructions: pd.DataFrame | None,
    about: Mapping[str, ValueDescription],
    primary: Sequence[tuple[str, str]],
    permutations: int,
    resamples: int,
    seed: int,
    asked: _Asked,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = [[p[i] for p in primary] for i in (0, 1)]
    features, metrics = varying_columns(
        own,
        list(dict.fromkeys([*named[0], *(k for k, a in about.items() if a.kind in ("attention", "causal"))])),
        list(dict.fromkeys([*named[1], *(k for k, a in about.items() if a.kind in ("outcome", "proxy"))])),
    )
    ids = [] if instructions is None or "id" not in instructions else list(instructions["id"].dropna().unique())
    cut = cut_off_values(own, about)
    work = partial(relate_columns, own, features, ids=ids, permutations=permutations, resamples=resamples, seed=seed)
    again = partial(relate_columns, ids=ids, permutations=permutations, resamples=resamples, seed=seed, plain=True)
    tables = []
    for estimand, at in (("between", 0.1), ("within", 0.53)):
        told = f"Correlations {ESTIMAND_WORDS[estimand]}"
        found = work(metrics, estimand, check=partial(asked.tell_part, at, 0.3, told))
        check = partial(asked.tell_part, at + 0.3, 0.13, f"{told}, cut-off answers counted otherwise")
        tables.append(correlations_with_cut_off(found, own, cut, partial(again, estimand=estimand, check=check)))
    between, within = tables
    return add_verdicts(between, within, primary)


def _moved(
    table: pd.DataFrame,
    steered: pd.DataFrame | None,
    instructions: pd.DataFrame | None,
    about: Mapping[str, ValueDescription],
    base: str,
    between: pd.DataFrame,
    permutations: int,
    seed: int,
    asked: _Asked,
) -> dict[str, pd.DataFrame]:
    """Returns the fields of ``Findings`` on steered runs; {} without any."""
    if steered is None:
        return {}
    from .steering_effects import moves_beside, steering_effects

    found = steering_effects(
        *(table, steered, instructions, about, base),
        resamples=comparison_resamples(permutations),
        seed=seed,
        check=lambda fraction, text: asked.tell(0.98 + 0.02 * fraction, text),
    )
    return found | {"moves": moves_beside(found["doses"], between)} if found else {}


def _told(
    own: pd.DataFrame,
    heads: Callable[..., np.ndarray] | None,
    entropies: Callable[..., np.ndarray] | None,
    prompts: Mapping[str, str] | None,
    about: Mapping[str, ValueDescription],
    primary: Sequence[tuple[str, str]],
    resamples: int,
    seed: int,
    asked: _Asked,
) -> pd.DataFrame:
    from .outcome_prediction import predict_outcomes

    return predict_outcomes(
        own,
        heads,
        prompts,
        {k: a.label for k, a in about.items()},
        entropies=entropies,
        first=[f for f, _ in primary if f in own.columns],
        resamples=resamples,
        seed=seed,
        progress=asked.tell_slow,
        cancelled=asked.cancelled,
    )


def _no_told() -> pd.DataFrame:
    import pandas as pd

    from .outcome_prediction import OUTCOME_COLUMNS

    return pd.DataFrame(columns=list(OUTCOME_COLUMNS))


def _rows(table: pd.DataFrame, which: pd.Series) -> pd.DataFrame:
    """Returns the rows ``which``: the table itself where that is all of them, since a large one takes 80 MB."""
    return table if which.all() else table[which]


def _plain(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns a copy with all columns that the analysis relies on. Raises StudyError."""
    missing = [c for c in NEEDED_COLUMNS if c not in runs.columns]
    if missing:
        raise StudyError(
            f"The table has no column {missing[0]!r}: findings need {', '.join(NEEDED_COLUMNS)} and a row for each run."
        )
    if runs["prompt_id"].notna().sum() == 0:
        raise StudyError("The table has no rows: run the study, or its pilot, first.")
    table = _rows(runs, runs["prompt_id"].notna()).reset_index(drop=True)  # pandas copies what is written to
    for name in NEEDED_COLUMNS[1:]:
        table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
    for name, nothing in (("control", False), ("truncated", False), ("error", "")):
        table[name] = table[name].fillna(nothing) if name in table.columns else nothing
    table["error"] = table["error"].astype(str)
    for name in ("control", "truncated"):
        table[name] = table[name].map(lambda v: str(v).strip().lower() in ("true", "1", "1.0")).astype(bool)
    if not len(unsteered(table)):
        raise StudyError("Every run of the table is steered: findings need the same prompts without steering too.")
    return table


def baseline_of(table: pd.DataFrame, plan: Plan | None) -> str:
    """Returns the baseline structure: the plan's, else instruction_first, else the first in the table."""
    seen = list(dict.fromkeys(table.loc[~table["control"], "structure"])) or list(dict.fromkeys(table["structure"]))
    wanted = ["instruction_first"]
    if plan is not None:
        from ..plan import baseline_structure

        wanted = [baseline_structure(plan), *wanted]
    return next((s for s in wanted if s in seen), str(seen[0]))


def _about(table: pd.DataFrame) -> dict[str, ValueDescription]:
    """Returns {column: label, unit, kind} of all metrics and features that ``table`` has."""
    from ..column_labels import features_of
    from ..features import get_feature
    from ..quality.metrics import get_metric, metric_columns

    found: dict[str, Any] = {name: get_metric(name) for name in metric_columns(table.columns)}
    found |= {name: get_feature(name) for name in features_of(table.columns)}
    return {name: ValueDescription(a.label, a.unit, a.kind) for name, a in found.items()}


def _prompts(plan: Plan | None) -> dict[str, str] | None:
    if plan is None:
        return None
    return {i.id: i.prompt or "\n\n".join(i.segments.values()) for i in plan.all_items()}


def cells_of(table: pd.DataFrame) -> pd.DataFrame:
    """Counts runs of each task x structure x control x model that failed or were cut off by the token limit."""
    import pandas as pd

    rows = []
    for key, part in table.groupby(["task", "structure", "control", "model"], observed=True, sort=False):
        failed = (part["error"] != "").to_numpy()
        ran = max(int((~failed).sum()), 0)
        stopped = int(part.loc[~failed, "truncated"].sum())
        rows.append(
            dict(zip(("task", "structure", "control", "model"), key, strict=True))
            | {"runs": len(part), "prompts": part["prompt_id"].nunique()}
            | {"failed": int(failed.sum()), "failed_share": failed.mean()}
            | {"truncated": stopped, "truncated_share": stopped / ran if ran else float("nan")}
            | {"reason": part.loc[failed, "error"].mode().iloc[0] if failed.any() else ""}
        )
    return pd.DataFrame(rows, columns=list(CELL_COLUMNS))


def _facts(table: pd.DataFrame, steered: pd.DataFrame | None) -> dict[str, int]:
    own = table[~table["control"]]
    more = {} if steered is None else {"steered": len(steered)}
    return {
        **{"runs": len(table), "prompts": table["prompt_id"].nunique(), "tasks": table["task"].nunique()},
        **{"models": table["model"].nunique(), "structures": own["structure"].nunique()},
        **{"controls": int(table["control"].sum()), "failed": int((table["error"] != "").sum())},
        **{"longest": int(table["output_tokens"].fillna(0).max()) if "output_tokens" in table else 0},
        **{"truncated": int(table.loc[table["error"] == "", "truncated"].sum())},
        **more,
    }


def _with_words(found: Findings, plan: Plan | None, permutations: int, resamples: int) -> Findings:
    from .methods_section import methods_section_text
    from .sentences import findings_sentences

    written = methods_section_text(plan, found, permutations=permutations, resamples=resamples)
    moved: tuple[str, ...] = ()
    if len(found.doses):
        from .steering_sentences import steering_sentences

        moved = tuple(steering_sentences(found))
    told = tuple(findings_sentences(found))
    return replace(found, sentences=told, methods_text=written, steering_sentences=moved)
