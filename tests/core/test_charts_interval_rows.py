"""Tests of charts with a value and its interval in each row."""

import pandas as pd

from core.charts.interval_rows import hollow_line


def test_hollow_marks_say_their_reasons():
    rows = pd.DataFrame({"faint": [True, True, True, False], "why": ["1 prompt.", "1 prompt.", "", "no"]})
    assert hollow_line(rows) == ["hollow: no verdict (2 × 1 prompt; 1 × too few prompts for a verdict)"]
    assert hollow_line(rows[:2]) == ["hollow: 1 prompt"]
    assert hollow_line(rows[3:]) == []
