"""Separates the steered runs of a study's tables from all others.

A run is steered where reading of a part of its prompt was turned up or down on purpose: its column ``steered`` names
the part, ``factor`` says by how much the odds of reading it were multiplied. Such runs are no sample of how the model
reads by itself, so every other analysis leaves them out, and does so here. A table without the column has none.
Guarded by tests/core/test_study_unsteered_runs.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

STEERED, FACTOR = "steered", "factor"
"""Columns of the tables of runs and of instructions: the part ("" for none), and the factor (1 for none)."""
PLAIN_LOGPROB = "plain_logprob"
"""Column: mean log-probability per token (nats) that the model without steering gives to the answer written."""


def is_steered(table: pd.DataFrame) -> np.ndarray:
    """Returns bool [row]: whether each run (or each instruction's run) was steered."""
    import numpy as np

    if STEERED not in table.columns:
        return np.zeros(len(table), bool)
    named = table[STEERED].astype(object).where(table[STEERED].notna(), "").astype(str).str.strip()
    return (named != "").to_numpy(bool)


def unsteered(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of runs that were not steered; ``table`` itself where there is no other."""
    away = is_steered(table)
    return table[~away].reset_index(drop=True) if away.any() else table


def steered_only(table: pd.DataFrame) -> pd.DataFrame | None:
    """Returns the rows of steered runs with ``factor`` as float (1 where missing); None where there is none."""
    import pandas as pd

    own = table[is_steered(table)].reset_index(drop=True)
    if not len(own):
        return None
    factor = pd.to_numeric(own[FACTOR], errors="coerce") if FACTOR in own.columns else pd.Series(1.0, own.index)
    return own.assign(**{STEERED: own[STEERED].astype(str).str.strip(), FACTOR: factor.fillna(1.0).astype(float)})
