"""Says what a judge gave, what people gave, and the judge's mean corrected by the people's ratings.

A judge is a model and may be wrong in a way of its own, so its mean never stands alone: where people rated some of the
answers on Rate, it is corrected by them (``prediction_powered_mean``, the prompt as the cluster), else the sentence
says that it is uncorrected. Rate gives every rater a random sample, which the correction relies on. For a judge of yes
and no, people said yes where their mean rating is at least 4 of 5. Guarded by
tests/core/test_findings_judge_summary.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..column_labels import column_label, model_label
from ..quality.own_columns import JUDGED, judge_columns_of
from ..statistics.prediction_powered import FEWEST_RATED, PoweredMean, prediction_powered_mean

if TYPE_CHECKING:
    import pandas as pd

PEOPLE_YES = 4.0
"""Mean rating from which people count as saying yes."""


def judge_sentences(runs: pd.DataFrame) -> list[str]:
    """Returns a sentence or two for each judge of a runs table and each model whose answers it scored."""
    own = ~runs["control"].astype(bool) & runs["error"].astype(str).eq("")
    told = []
    for column in judge_columns_of(runs.columns):
        for model, rows in runs[own & runs[column].notna()].groupby("model", sort=False):
            told.append(_sentence(rows, column, str(model)))
    return told


def judged_mean(rows: pd.DataFrame, column: str) -> PoweredMean:
    """Returns the mean of one judge's column over ``rows``, corrected by the column ``rating`` where there is one."""
    given = rows["rating"].to_numpy(float) if "rating" in rows else np.full(len(rows), np.nan)
    given = np.where((given >= 1) & (given <= 5), given, np.nan)  # a rating of another scale corrects nothing
    if column.startswith(JUDGED):
        given = np.where(np.isfinite(given), (given >= PEOPLE_YES).astype(float), np.nan)
    return prediction_powered_mean(given, rows[column].to_numpy(float), rows["prompt_id"].to_numpy())


def _sentence(rows: pd.DataFrame, column: str, model: str) -> str:
    found = judged_mean(rows, column)
    own = " The judge is the model that answered." if column.partition("@")[2] == model else ""
    scale = "1 is yes" if column.startswith(JUDGED) else "of 1 to 5"
    start = f"{column_label(column)}, answers of {model_label(model)}: mean {found.raw_mean:.2f} as the judge gave it "
    start += f"({scale}; n = {found.rated + found.unrated:,}"
    if not found.rated:
        return f"{start}). Nobody rated these answers: the scores are uncorrected.{own}"
    people = f"people {found.rated_mean:.2f} (n = {found.rated:,})"
    if np.isnan(found.estimate):
        few = f"a correction takes rated answers to {FEWEST_RATED} prompts at least: the scores are uncorrected"
        return f"{start}); {people}; {few}.{own}"
    interval = f"{found.estimate:.2f} (95 % {found.low:.2f} to {found.high:.2f})"
    return f"{start}); {people}; corrected by these ratings {interval}.{own}"
