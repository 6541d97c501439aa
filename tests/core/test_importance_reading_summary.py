"""Tests of what is said of single pieces of an answer (the sentence: tests/core/test_importance.py)."""

import numpy as np

from core.importance import explain_by
from core.importance.reading_summary import heads_text, reading_ladder, short_percent, standing_out
from tests.pages import made_up


def test_the_ladder_has_a_rung_for_each_piece_of_the_answer():
    trace = made_up.run()
    words = explain_by(trace, sink="drop", columns="word", rows="word")
    rungs = reading_ladder(words, np.arange(3))
    assert [a for a, _ in rungs] == [label.strip() for label in words.rows.labels[:3]]
    for row, (_, said) in enumerate(rungs):
        found = standing_out(words, np.array([row]))
        assert said == (", ".join(f"{r.label} {short_percent(r.share)}" for r in found) or "no word stands out")


def test_picked_heads_are_named():
    trace = made_up.run()
    for settings, said in (
        ({"layers": [1], "heads": [2]}, " in layer 1, head 2"),
        ({"layers": [0, 1]}, " in layers 0 and 1"),
        ({"layers": [0, 1, 2, 3]}, " in 4 layers"),
    ):
        found = explain_by(trace, "picked-heads", columns="word", rows="word", **settings)
        assert heads_text(found) == said
    assert heads_text(explain_by(trace)) == ""
