"""The input of a run as a table, the most read first, and its first lines as bars.

Guarded by tests/core/test_charts_reading_table.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..importance import answer_mean
from ..records import Importance
from .panels import inline_data
from .text_labels import caption_of, title_block, visible_label

if TYPE_CHECKING:
    import pandas as pd


def reading_table(words: Importance, rows: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    """Returns a line for each of ``columns`` of the input, the most read first: text, role, first token, means.

    ``value`` and ``uniform`` are means over the steps of ``rows``, ``times`` their ratio (or NaN).
    """
    import pandas as pd  # takes a quarter of a second, which the first visit need not wait for

    values, uniform = (mean[columns] for mean in answer_mean(words, rows))
    frame = pd.DataFrame(
        {
            "Input": [words.columns.labels[c] for c in columns],
            "From": [words.columns.roles[c] for c in columns],
            "Token": [int(words.columns.tokens_of(int(c)).min()) + 1 for c in columns],
            "value": values,
            "uniform": uniform,
            "times": np.where(uniform > 0, values / np.where(uniform > 0, uniform, 1), np.nan),
        }
    )
    return frame.sort_values("value", ascending=False, ignore_index=True, kind="stable")


def reading_bars(frame: pd.DataFrame, words: Importance, when: str) -> alt.Chart:
    """Draws the first lines of ``reading_table`` as bars; ``when`` says over what, e.g. "while writing “blue”"."""
    share = words.unit == "share"
    names = [f"{i + 1}. {visible_label(label)}" for i, label in enumerate(frame["Input"])]
    data = [{"name": n, "value": float(v)} for n, v in zip(names, frame["value"], strict=True)]
    x = alt.X(
        "value:Q", title="share of attention" if share else "score", axis=alt.Axis(format="~p" if share else "~f")
    )
    title = title_block(f"Inputs read most {when}", caption_of(words))
    return (
        alt.Chart(inline_data(data), title=title)
        .mark_bar(color="#0072B2")
        .encode(x=x, y=alt.Y("name:N", sort=None, title=None))
        .properties(width=560)
    )
