"""Correlates features with metrics over a table of runs: Spearman with intervals, p, q and heterogeneity.

Spearman, as shares and scores are neither normal nor linear in each other. Not over runs: runs of a prompt are alike,
and counting them makes almost anything significant. Either over prompts within each stratum, pooled
(``estimand="between"``), or over changes within a prompt (``"within"``); see ``observations``. Intervals by cluster
bootstrap, p by permutation (``correlation_grid``, ``permutation``), q by Benjamini-Hochberg over the whole grid that is
passed (``multiple_testing``).

Limits: a run's noise stays in the mean of few runs and weakens rho, which is not corrected. A structure that moves both
feature and quality is enough for a correlation within prompts; ``controls="structure"`` takes out what the structures
do on average. q applies to the strata at hand; tau says how far others may differ.

Guarded by tests/core/test_statistics_correlation.py and by ``make calibrate``: planted correlations, intervals, and
null studies with clusters and heterogeneous strata.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...checks import check_whole
from . import multiple_testing, observations, table_columns
from .correlation_grid import Effort, Grid, correlate_grid

Links = Callable[[str, str], Any] | Collection[tuple[str, str]] | None

FIRST_COLUMNS = ["feature", "metric", "rho", "low", "high", "p", "q", "n"]
REST_COLUMNS = ["strata", "i2", "tau", "linked", "why"]
AGAIN = ["rho", "low", "high", "p"]


def correlate_table(
    table: pd.DataFrame,
    features: str | Sequence[str],
    metrics: str | Sequence[str],
    cluster: str = "prompt_id",
    strata: str | Sequence[str] | None = None,
    *,
    estimand: str = "between",
    controls: str | Sequence[str] = (),
    post_treatment: str | Sequence[str] = (),
    over: str = "structure",
    permutations: int = 999,
    resamples: int = 999,
    seed: int = 0,
    linked: Links = None,
) -> pd.DataFrame:
    """Returns one row per feature and metric: Spearman correlation, 95 % interval, p, q; ``n`` counts prompts.

    ``table`` has a row per run. ``cluster`` is the column with the prompt of a run. ``strata``: columns (task, model,
    structure) within whose combinations correlations are taken, then pooled by random effects; None: all runs together.
    ``estimand``: "between" prompts, or "within" a prompt over the levels of the column ``over``.

    Further columns: ``strata`` how many were pooled, ``i2`` and ``tau`` their heterogeneity (tau on the scale of
    Fisher's z), ``linked`` true for pairs that are linked by construction, ``why`` the reason for that, or for having
    no p. Below the sample gate (30 prompts; 10 of each class of a yes/no metric) there is no p; linked pairs have no q.
    With ``controls`` (fixed before the answer): ``rho_controlled``, ``low_controlled``, ``high_controlled``,
    ``p_controlled`` of the partial correlation, and with ``post_treatment`` (length, log-probability of the answer) the
    same ending in ``post``, which holds both. That also removes mediators of the feature's effect: read it with care.

    ``linked``: pairs that go together by construction, or a function (feature, metric) -> reason ("": they do not).
    ``permutations`` of every pair (small p get more); ``resamples`` of the bootstrap; 0 leaves p or intervals out.

    Raises StudyError (a HeedError) for unknown columns, text, or no table.
    """
    table_columns.check_table(table)
    f, m = (
        table_columns.check_columns(table, features, "features"),
        table_columns.check_columns(table, metrics, "metrics"),
    )
    effort = Effort(
        check_whole("permutations", permutations, 0, 1_000_000),
        check_whole("resamples", resamples, 0, 100_000),
        abs(int(seed)),
    )
    reasons = np.array([[_reason(linked, a, b) for b in m] for a in f], object).reshape(len(f), len(m))
    held, again = _held(table, controls, "controls"), _held(table, post_treatment, "post-treatment columns")
    names = list(dict.fromkeys([*f, *m]))
    values = np.hstack([table_columns.float_columns(table, names), held, again])
    runs = observations.read_runs(table, names, cluster, strata, estimand=estimand, over=over, values=values)
    rows, across = ([names.index(name) for name in group] for group in (f, m))
    extra = np.arange(len(names), values.shape[1])
    free = reasons == ""
    found = _frame(f, m, correlate_grid(runs, rows, across, [], effort, free), reasons)
    if held.shape[1]:
        _add(found, "controlled", correlate_grid(runs, rows, across, extra[: held.shape[1]].tolist(), effort, free))
    if again.shape[1]:
        _add(found, "post", correlate_grid(runs, rows, across, extra.tolist(), effort, free))
    return found


def _reason(rule: Links, feature: str, metric: str) -> str:
    if feature == metric:
        return "both are the same column"
    if rule is None:
        return ""
    answer = rule(feature, metric) if callable(rule) else (feature, metric) in {tuple(pair) for pair in rule}
    return answer if isinstance(answer, str) else ("they are linked by construction" if answer else "")


def _held(table: pd.DataFrame, names: str | Iterable[str], what: str) -> np.ndarray:
    """Returns float64 [row, C]: numbers as they are, anything else as one yes/no column per level but the first."""
    parts = [np.empty((len(table), 0))]
    for name in table_columns.check_columns(table, names, what):
        if table_columns.is_number(table[name]):
            parts.append(table_columns.float_columns(table, [name]))
        else:
            number = table_columns.level_codes(table, [name])[0]
            parts.append((number[:, None] == np.arange(1, number.max(initial=0) + 1)).astype(float))
    return np.hstack(parts)


def _frame(features: list[str], metrics: list[str], grid: Grid, reasons: np.ndarray) -> pd.DataFrame:
    links = reasons != ""
    why = [
        " ".join(filter(None, (f"Linked: {r}." if r else "", w)))
        for r, w in zip(reasons.flat, grid.why.flat, strict=True)
    ]
    data = {
        "feature": np.repeat(np.array(features, object), len(metrics)),
        "metric": np.tile(np.array(metrics, object), len(features)),
        **{name: getattr(grid, name).ravel() for name in ("rho", "low", "high", "p")},
        "q": multiple_testing.q_values(grid.p, ~links).ravel(),
        **{name: getattr(grid, name).ravel() for name in ("n", "strata", "i2", "tau")},
        "linked": links.ravel().astype(bool),
        "why": why,
    }
    return pd.DataFrame(data, columns=FIRST_COLUMNS + REST_COLUMNS)


def _add(found: pd.DataFrame, name: str, grid: Grid) -> None:
    for column in AGAIN:
        found[f"{column}_{name}"] = getattr(grid, column).ravel()
