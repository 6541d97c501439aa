"""Makes every figure of the findings, for the page and for the report: chart, texts and numbers.

Each has one plain sentence on what it shows and one on what it does not. Nothing is computed here: the tables come from
``core.study.findings.analysis``. To add a figure: one function that returns ``StudyFigure``. Guarded by
tests/core/test_findings_report.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...charts.study_correlations import correlation_grid_chart
from ...charts.study_cut_off import cut_off_chart
from ...charts.study_forest import forest_chart
from ...charts.study_prediction import prediction_chart
from ...charts.study_quality import ASKS, Ask, quality_chart
from ...charts.study_scatter import scatter_chart
from ..column_labels import (
    TASK_WORDS,
    column_label,
    is_binary,
    model_label,
    strata_labels,
    structure_label,
    task_label,
)
from ..prompt_structures import STRUCTURES

if TYPE_CHECKING:
    import pandas as pd

ESTIMANDS = {"between": "Between prompts", "within": "Within a prompt"}
ABOUT_ESTIMANDS = {
    "between": "Do prompts whose runs have more of the feature also get better answers? Computed inside each task, "
    "model and structure, then pooled.",
    "within": "When the same prompt is asked in another way and the feature changes, does the quality change with it? "
    "Each prompt is compared with itself.",
}
QUESTIONS: dict[Ask, str] = {
    "mean": "Values",
    "difference": "Change",
    "cut": "Change, cut-off as not correct",
    "net": "Change beyond position",
}
ABOUT_QUESTIONS = {
    "mean": "The mean over prompts with its 95 % interval.",
    "difference": "The structure minus the baseline structure, prompt by prompt.",
    "cut": "The same change with every answer that the token limit cut off counted as not correct; elsewhere such "
    "answers are left out where an outcome cannot be told, and they are the long ones.",
    "control": "The structure minus the same layout with a neutral filler where the instruction stands.",
    "net": "The change that remains after subtracting the effect of position: both structures minus their own position "
    "control, a layout with a neutral filler of equal length where the instruction stands.",
}
SCHEMES = {"leave one task out": "A task it never saw", "prompts in folds": "New prompts of known tasks"}
NO_CAUSE = "What goes together need not be a cause: changing the feature on purpose, by a knock-out, would test that."


@dataclass(frozen=True, eq=False)
class StudyFigure:
    """One figure with its texts and numbers."""

    key: str
    """Used in file names; unique in a report."""
    title: str
    chart: Any
    shows: str
    """One plain sentence."""
    not_said: str
    """One plain sentence."""
    table: pd.DataFrame
    """The numbers that it draws."""


def label_words(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Returns {column: {key: words}} of the tasks, structures and models of a table."""
    return {
        "task": {t: task_label(t) for t in table["task"].unique()},
        "structure": {s: structure_label(s) for s in table["structure"].unique()},
        "model": {m: model_label(m) for m in table["model"].unique()},
    }


def structure_figure(
    table: pd.DataFrame, value: str, ask: Ask, base: str = "", lines: Sequence[str] = ()
) -> StudyFigure:
    """Draws a value by task, structure and model; ``table`` is the findings' quality, attention or effects."""
    own = table[table["value"] == value]
    shown = own.assign(model=own["model"].map(model_label))
    names = {s: structure_label(s) for s in (*STRUCTURES, *own["structure"].unique())}
    words = structure_label(base) if base else ""
    drawn = quality_chart(shown, value, ask, tasks=TASK_WORDS, structures=names, base=words, lines=lines)
    label = str(own["label"].iloc[0])
    kept = ASKS[ask]
    said = {
        "mean": f"Each point is the mean of “{label}” over the prompts of one task, structure and model.",
        "difference": f"Each point is how much “{label}” changes against “{words}” when the same prompts are laid out "
        "in another way; an interval that crosses the dashed line is no difference found.",
        "cut": f"Each point is the change of “{label}” against “{words}” with every answer that was cut off by the "
        "token limit counted as not correct.",
        "control": f"Each point is “{label}” minus that of the same layout with a filler in the instruction's place.",
        "net": f"Each point is the change of “{label}” that remains after subtracting the effect of position; an "
        "interval that crosses the dashed line is no difference found.",
    }[ask]
    kind = str(own["kind"].iloc[0])
    not_said = {
        "attention": "A share of attention says what was read, not what it did to the answer.",
        "causal": "A knock-out says what the same answer loses without a part, not whether the answer was good.",
    }.get(kind, "It holds for these prompts and these models, and says nothing of why.")
    frame = own[["task", "structure", "model", *kept, "verdict", "why"]]
    return StudyFigure(f"{kind}-{value}-{ask}", label, drawn, said, not_said, frame)


def cut_off_figure(table: pd.DataFrame) -> StudyFigure:
    """Draws the share of answers that were cut off in each cell of the design."""
    shown = table.assign(model=table["model"].map(model_label))
    names = {s: structure_label(s) for s in table["structure"].unique()}
    chart = cut_off_chart(shown, tasks={t: task_label(t) for t in table["task"].unique()}, structures=names)
    said = "Each cell says which part of its answers was stopped by the token limit before it had ended."
    return StudyFigure(
        "cut-off", "Answers cut off", chart, said, "What depends on the length or the end is undefined there.", table
    )


def correlation_figure(
    table: pd.DataFrame,
    features: Sequence[str],
    metrics: Sequence[str],
    estimand: str,
    picked: tuple[str, str] | None = None,
    select: bool = False,
) -> StudyFigure:
    """Draws the grid of features x metrics; ``table`` is the findings' correlations of that estimand."""
    names = {name: column_label(name) for name in (*features, *metrics)}
    title = f"Importance against quality, {ESTIMANDS[estimand].lower()}"
    chart = correlation_grid_chart(
        table, features=features, metrics=metrics, names=names, title=title, picked=picked, select=select
    )
    own = table[table["feature"].isin(features) & table["metric"].isin(metrics)]
    said = (
        "Each cell is a rank correlation pooled over task, model and structure: orange where more of the feature goes "
    )
    said += "with a higher value of the metric, blue where it goes with a lower one."
    not_said = "A pooled number can hide strata that disagree: see the forest of a pair. " + NO_CAUSE
    return StudyFigure(f"grid-{estimand}", title, chart, said, not_said, own)


def forest_figure(table: pd.DataFrame, feature: str, metric: str, estimand: str, width: int = 880) -> StudyFigure:
    """Draws the forest plot of a pair; ``table`` is that of ``core.study.statistics.forest``."""
    order = {task: i for i, task in enumerate(TASK_WORDS)}
    if "task" in table:
        place = [order.get(t, len(order)) for t in table["task"].iloc[:-1]] + [len(order) + 1]
        table = table.assign(_at=place).sort_values("_at", kind="stable").drop(columns="_at").reset_index(drop=True)
    names = {"feature": column_label(feature), "metric": column_label(metric)}
    chart = forest_chart(table, **names, places=strata_labels(table), estimand=ESTIMANDS[estimand].lower(), width=width)
    said = "Each row is the correlation in one task, model and structure; the diamond pools them, and the lines above "
    said += "say how much they differ."
    return StudyFigure(f"forest-{feature}-{metric}-{estimand}", "Forest", chart, said, NO_CAUSE, table)


def scatter_figure(
    table: pd.DataFrame,
    feature: str,
    metric: str,
    *,
    color: str = "task",
    estimand: str = "between",
    select: bool = False,
    width: int = 880,
) -> StudyFigure:
    """Draws every run as a point; of more than the chart can draw, some."""
    shape = "structure" if color == "model" else "model"
    chart = scatter_chart(
        table,
        feature,
        metric,
        names={name: column_label(name) for name in (feature, metric)},
        color=color,
        shape=shape,
        words=label_words(table),
        binary=is_binary(metric),
        within=estimand == "within",
        select=select,
        width=width,
    )
    said = "Each point is a run; its colour and shape say where it belongs."
    not_said = "The cloud mixes tasks, models and structures: the correlations are computed inside each of them."
    own = table[["cell", "prompt_id", "task", "structure", "model", feature, metric]]
    return StudyFigure(f"scatter-{feature}-{metric}", "Every run", chart, said, not_said, own.dropna())


def prediction_figure(table: pd.DataFrame, outcome: str, scheme: str, within: bool = False) -> StudyFigure:
    """Draws AUROCs beside the baselines; ``table`` is the findings' prediction."""
    own = table[(table["outcome"] == outcome) & (table["scheme"] == scheme)]
    names: Mapping[str, str] = {m: model_label(m) for m in own["model"].unique()}
    said_of = f"tried on: {SCHEMES.get(scheme, scheme).lower()}"
    chart = prediction_chart(own, outcome=column_label(outcome), scheme=said_of, names=names, within=within)
    said = "Each point says how often a run that succeeded is ranked above one that did not, for prompts held out "
    said += "from training; 0.5 is chance."
    if within:
        said += " Only runs of the same task and structure are compared."
    not_said = "Success that can be told from importance need not come from it: the baselines below know no importance."
    return StudyFigure(
        f"prediction-{outcome}-{'within' if within else 'all'}", column_label(outcome), chart, said, not_said, own
    )
