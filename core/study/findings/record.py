"""The record of a study's findings: every table, the sentences, and the methods section.

Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

NEEDED_COLUMNS = ("prompt_id", "task", "structure", "model")
"""Columns without which a table of runs cannot be read."""
STRATA = ("task", "model", "structure")
"""Columns whose values two runs share if they are compared directly."""


def _no_table() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True, eq=False)
class Findings:
    """The findings of a study in tables and sentences.

    Every table is tidy, and empty (with its columns) where there is nothing. Shares are 0 to 1, intervals 95 %.
    """

    quality: pd.DataFrame
    """A row per metric x task ("all tasks": each prompt counts once) x model x structure: see ``structure_effects`` for
    the columns; differences are in ``unit``; the verdict is on ``difference``, structure minus baseline."""
    attention: pd.DataFrame
    """The same columns for shares of attention; the verdict is on ``net_difference``."""
    effects: pd.DataFrame
    """The same columns for ablation effects (nats); the verdict is on ``net_difference``."""
    correlations_between: pd.DataFrame
    """A row per feature x metric: ``correlate_table``'s columns (rho, low, high, p, q, n prompts, strata, i2, tau,
    linked, why; those of ``controls`` and of ``post_treatment``), primary, p_primary (Holm), verdict. Primary rows come
    first."""
    correlations_within: pd.DataFrame
    """The same where a prompt is compared with itself under other structures."""
    forests: Mapping[tuple[str, str], pd.DataFrame]
    """{(feature, metric): ``forest``'s table, between prompts} of primary pairs, or else of those with the least q."""
    prediction: pd.DataFrame
    """A row per model x outcome x scheme x set of columns: see ``core.study.findings.outcome_prediction``."""
    cells: pd.DataFrame
    """A row per task x structure x control x model: runs, prompts, failed and truncated (count and share), reason."""
    sentences: tuple[str, ...] = ()
    """The findings in sentences, outcomes first; they claim no cause."""
    methods_text: str = ""
    """The methods section, its paragraphs separated by blank lines."""
    base: str = ""
    """The baseline structure."""
    facts: Mapping[str, int] = field(default_factory=dict)
    """runs, prompts, tasks, models, structures, controls, failed, truncated: all without steered runs; steered."""

    doses: pd.DataFrame = field(default_factory=_no_table)
    """Steered studies: a row per value x task x model x level (plain run, part x factor, rival), columns DOSE_COLUMNS
    of ``steering_effects``; ``difference`` is to the plain run, ``net_difference`` to the control part."""
    dose_trends: pd.DataFrame = field(default_factory=_no_table)
    """A row per value x task x model x part, alone and ``against`` the control part: change per doubling of the
    factor."""
    comparable: pd.DataFrame = field(default_factory=_no_table)
    """The differences to the plain run among answers of comparable length: ``comparable_levels``."""
    moves: pd.DataFrame = field(default_factory=_no_table)
    """*Goes with* beside *moves*: a row per feature of a steered part, outcome, model and factor."""
    steering_sentences: tuple[str, ...] = ()
    """What reading does, in sentences."""

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """{name: table} of all tables, for downloads."""
        names: tuple[str, ...] = (
            "quality",
            "attention",
            "effects",
            "correlations_between",
            "correlations_within",
            "prediction",
            "cells",
        )
        steered = ("doses", "dose_trends", "comparable", "moves")
        names += tuple(n for n in steered if len(getattr(self, n)))
        return {n: getattr(self, n) for n in names} | {f"forest {f} {m}": t for (f, m), t in self.forests.items()}


def comparison_resamples(permutations: int) -> int:
    """Returns how often prompts are drawn again to compare structures, which is cheap: 9,999 where others are 999."""
    return 10 * permutations + 9
