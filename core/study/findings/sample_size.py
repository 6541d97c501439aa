"""Counts the size of a study for display: prompts rather than runs, failed runs, truncated answers.

Guarded by tests/core/test_findings_sample_size.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..column_labels import model_label
from ..statistics.power import OF_EACH, PROMPTS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SampleSize:
    """The size of a study in numbers and sentences."""

    numbers: tuple[tuple[str, str, str], ...]
    """(label, value, meaning)"""
    sentences: tuple[str, ...]


def count_sample(runs: pd.DataFrame, steered: int = 0) -> SampleSize:
    """Counts the prompts, runs, models and failures of a runs table, beside which there are ``steered`` runs."""
    own, control = runs[~runs["control"]], runs[runs["control"]]
    failed, cut = runs["error"].astype(str).ne(""), runs["truncated"].astype(bool)
    short = cut[~failed & ~runs["control"].astype(bool)]
    prompts, models = runs["prompt_id"].nunique(), list(runs["model"].unique())
    numbers = [
        ("Prompts", f"{prompts:,}", "What was asked; every statistic counts prompts, not runs."),
        ("Runs", f"{len(own):,}", "Answers: a prompt in each structure, by each model."),
        (
            "Position controls",
            f"{len(control):,}",
            "The same layout with a neutral filler where the instruction stands.",
        ),
        ("Steered runs", f"{steered:,}", "The same prompts with the reading of a part turned up or down."),
        ("Tasks", f"{runs['task'].nunique():,}", "Kinds of prompts."),
        ("Models", f"{len(models):,}", ", ".join(model_label(m) for m in models)),
        (
            "Cut off",
            f"{_percent(short.mean() if len(short) else 0)}",
            f"{int(short.sum()):,} of these runs, by the limit.",
        ),
    ]
    empty = [name for name, count in (("Position controls", len(control)), ("Steered runs", steered)) if not count]
    sentences = []
    if prompts < PROMPTS:
        sentences.append(
            f"With {prompts} prompts there is no verdict: from {PROMPTS} on (and {OF_EACH} of each class for yes "
            "and no) a question is judged; with fewer, only the points are shown."
        )
    else:
        sentences.append(
            f"A question is judged from {PROMPTS} prompts on, and {OF_EACH} of each class for yes and no; with "
            "fewer, only the points are shown."
        )
    if failed.any():
        count = int(failed.sum())
        reason = str(runs.loc[failed, "error"].mode().iloc[0])
        sentences.append(f"{count:,} {'run' if count == 1 else 'runs'} failed, most often: {reason}")
    if len(models) == 2:
        sentences.append("What is said of models holds for these two models, not for their families.")
    return SampleSize(tuple(n for n in numbers if n[0] not in empty), tuple(sentences))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
