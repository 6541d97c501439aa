"""Returns plain words for the keys of tables: tasks, structures, models, metrics, features.

Charts, the page Findings and the report take their words from here, so that one thing has one name. A task or structure
of your own needs no entry: its key is written as it is. Guarded by tests/core/test_study_column_labels.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..importance.methods import METHODS
from ..models.catalogue import CATALOGUE
from .features import feature_columns, get_feature, method_of
from .prompt_structures import OWN_PREFIX, STRUCTURES
from .quality.metrics import EVIDENCE_KINDS, get_metric, metric_columns

if TYPE_CHECKING:
    import pandas as pd

TASK_WORDS = {
    "all tasks": "All tasks",
    "fact": "Fact questions",
    "context_qa": "Questions on a text",
    "summary": "Summaries",
    "extraction": "Extraction",
    "classification": "Classification",
    "constrained": "Writing under rules",
    "arithmetic": "Arithmetic",
    "creative": "Creative writing",
    "bias": "Swapped terms (bias)",
    "own": "Own items",
}
CAUSAL = "causal"
"""Group of the features that come from ablation."""


def task_label(task: str) -> str:
    """Returns a task in words."""
    return TASK_WORDS.get(task, task)


def structure_label(name: str) -> str:
    """Returns a structure in words; the user's own by its given name."""
    if name.startswith(OWN_PREFIX):
        return name.removeprefix(OWN_PREFIX)
    return STRUCTURES[name].label if name in STRUCTURES else name


def model_label(name: str) -> str:
    """Returns a model's label in the catalogue, else its name."""
    return CATALOGUE[name].label if name in CATALOGUE else name


def strata_labels(forest: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Returns (heading, row, series) of each row of a forest table but the pooled one, from task, structure, model."""
    own = forest.iloc[:-1]

    def words(column: str, say: Callable[[str], str]) -> list[str]:
        return [say(str(v)) for v in own[column]] if column in own and own[column].notna().any() else []

    tasks, models = words("task", task_label), words("model", model_label)
    rows = words("structure", structure_label)
    heads = tasks if rows else [""] * len(own)
    rows = rows or tasks or [str(s) for s in own["stratum"]]
    return list(zip(heads or [""] * len(own), rows, models or [""] * len(own), strict=True))


def column_label(name: str) -> str:
    """Returns a metric or a feature in words."""
    metric = get_metric(name)
    if metric is not None:
        return metric.label
    feature = get_feature(name)
    return feature.label if feature is not None else name


def column_description(name: str) -> str:
    """Returns one sentence on what a metric or a feature is; empty for an unknown column."""
    metric = get_metric(name)
    if metric is not None:
        return metric.about
    found = get_feature(name)
    if found is not None:
        return f"{found.definition} Unit: {found.unit}. Source: {found.source}."
    return ""


def is_binary(name: str) -> bool:
    """Returns whether a metric is only 0 or 1."""
    metric = get_metric(name)
    return metric is not None and metric.binary


def metrics_of(columns: Iterable[str]) -> list[str]:
    """Returns the metrics among ``columns``, outcomes first."""
    have = {name: get_metric(name) for name in metric_columns(columns)}
    return [name for kind in EVIDENCE_KINDS for name, metric in have.items() if metric and metric.kind == kind]


def features_of(columns: Iterable[str], group: str = "") -> list[str]:
    """Returns the features among ``columns``, by method, effects last; with ``group`` only those of that group."""
    have = {c for c in columns if get_feature(c) is not None}
    found = [f for f in feature_columns([*METHODS, *sorted(map(method_of, have))]) if f in have]
    order = {name: place for place, name in enumerate(dict.fromkeys(map(group_of, found)))}
    return [f for f in sorted(found, key=lambda f: order[group_of(f)]) if not group or group_of(f) == group]


def group_of(feature: str) -> str:
    """Returns the group under which a feature is shown: the name of its method, or CAUSAL."""
    found = get_feature(feature)
    return CAUSAL if found is not None and found.kind == "causal" else method_of(feature)


def feature_groups(columns: Iterable[str]) -> dict[str, str]:
    """Returns {group: its words} of the features among ``columns``, as pages offer them."""
    words = {name: method.label for name, method in METHODS.items()} | {CAUSAL: "Knock-out"}
    return {group: words.get(group, group) for group in dict.fromkeys(map(group_of, features_of(columns)))}
