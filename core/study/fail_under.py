"""Compares the mean of metrics with least values, for the exit status of a run in continuous integration.

Guarded by tests/core/test_study_fail_under.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import PromptError
from .column_labels import column_label, metrics_of
from .unsteered_runs import unsteered

if TYPE_CHECKING:
    import pandas as pd


def parse_limits(asked: Sequence[str]) -> dict[str, float]:
    """Returns {metric: least mean} of ``METRIC=NUMBER`` texts. Raises PromptError."""
    found = {}
    for text in asked:
        name, _, number = text.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name.strip():
            raise PromptError(f"--fail-under takes METRIC=NUMBER, for example followed=0.7, not {text!r}.")
    return found


def check_metrics(limits: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Returns {name as it was typed: column}; own metrics may be named without what stands before the colon.

    Raises PromptError that lists the metrics there are.
    """
    columns = {c: c for c in known}
    short = {c.partition(":")[2].partition("@")[0]: c for c in known if ":" in c}
    found = {name: columns.get(name) or short.get(name) or "" for name in limits}
    wrong = next((name for name, column in found.items() if not column), None)
    if wrong is not None:
        raise PromptError(f"There is no metric {wrong!r} in this study: choose from {', '.join(known)}.")
    return found


def below_limits(runs: pd.DataFrame, limits: dict[str, float]) -> list[str]:
    """Returns a sentence for each metric whose mean over the runs lies below its limit, or that has no value.

    ``runs``: a study's table; failed runs, steered ones and position controls do not count. Raises PromptError for
    unknown metrics.
    """
    runs = unsteered(runs)
    own = runs[~runs["control"].astype(bool) & runs["error"].astype(str).eq("")]
    own = own[own["steered"].eq("")] if "steered" in own else own
    told = []
    for name, column in check_metrics(list(limits), metrics_of(runs.columns)).items():
        values = own[column].dropna()
        label, least = column_label(column), limits[name]
        if values.empty:
            told.append(f"{label} ({name}) has no value in {len(own):,} runs: it should be at least {least:g}.")
        elif values.mean() < least:
            told.append(f"{label} ({name}) is {values.mean():.3g} (n = {len(values):,}), below {least:g}.")
    return told
