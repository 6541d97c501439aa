"""Tests of the sentence below a column: parts of the words' own total, even shares, no punctuation."""

import numpy as np
import pytest

from core.comparing import compare
from core.comparing.comparison_summary import most_read, most_read_sentence
from tests.core.traces_made_up import trace


def test_parts_are_of_what_went_to_the_words():
    both = compare([trace("What color is the sky ?", seed=1), trace("What color is the sky ?", seed=2)])
    values, even = both.values[0], both.uniform[0]
    for unit, part, multiple in most_read(both, 0):
        assert part == pytest.approx(values[unit] / np.nansum(values))
        assert multiple == pytest.approx((values[unit] / even[unit]) / (np.nansum(values) / np.nansum(even)))
        assert multiple >= 1.5 and both.units[unit] != "?"
    parts = [part for _, part, _ in most_read(both, 0)]
    assert parts == sorted(parts, reverse=True)


def test_the_sink_does_not_change_what_is_said():
    """Halving all shares (the sink took the rest) leaves the sentence as it was."""
    from dataclasses import replace

    both = compare([trace("What color is the sky", seed=3), trace("What color is the sky", seed=4)])
    values = both.values.copy()
    values[0, 1] *= 9
    strong = replace(both, values=values)
    halved = replace(strong, values=values / 2)
    assert most_read_sentence(strong, 0, "A") == most_read_sentence(halved, 0, "A")
    assert most_read_sentence(strong, 0, "A").startswith(
        "Of the attention that A gave the shared words, most went to “color” ("
    )


def test_nothing_stands_out_and_nothing_is_there():
    from dataclasses import replace

    both = compare([trace("one two three", seed=5), trace("one two three", seed=6)])
    flat = replace(both, values=both.uniform)
    assert "none got 1.5 times an even share" in most_read_sentence(flat, 0, "A")
    empty = replace(both, values=np.full(both.values.shape, np.nan))
    assert most_read_sentence(empty, 1, "B") == "B read none of the words that it shares with another column."


def test_a_column_alone_shares_its_words_with_none():
    alone = compare([trace("What color is the sky", seed=3)])
    assert "these words, " in most_read_sentence(alone, 0, "A") and "shared" not in most_read_sentence(alone, 0, "A")
