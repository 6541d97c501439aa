"""Tests of the table of what was read: its numbers, its order, and the bars drawn from it."""

import numpy as np
import pytest

from core.charts.reading_table import reading_bars, reading_table
from core.importance import answer_mean, explain_by
from core.importance.reading_summary import own_columns
from tests.pages import made_up


def test_the_table_has_the_means_over_the_picked_steps_the_largest_first():
    words = explain_by(made_up.run(), sink="drop", columns="word", rows="word")
    rows, columns = np.array([1, 2]), own_columns(words)
    table = reading_table(words, rows, columns)
    values, uniform = answer_mean(words, rows)
    assert sorted(table["value"], reverse=True) == table["value"].tolist() and len(table) == len(columns)
    for line in table.itertuples():
        column = [c for c in columns if words.columns.labels[c] == line.Input and values[c] == line.value][0]
        assert line.uniform == pytest.approx(uniform[column]) and line.times == pytest.approx(
            line.value / uniform[column]
        )
        assert line.Token == words.columns.tokens_of(int(column)).min() + 1


def test_the_bars_are_the_lines_of_the_table():
    words = explain_by(made_up.run(), columns="word", rows="word")
    table = reading_table(words, np.array([0]), own_columns(words)).head(3)
    chart = reading_bars(table, words, "while writing “The”").to_dict()
    assert [row["value"] for row in next(iter(chart["datasets"].values()))] == pytest.approx(table["value"].tolist())
    assert "while writing “The”" in chart["title"]["text"]
