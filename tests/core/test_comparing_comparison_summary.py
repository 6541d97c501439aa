"""Tests of the sentence below a column: the numbers of Explore, words only, and what it says where nothing is there."""

from dataclasses import replace

import numpy as np
import pytest

from core import explain
from core.comparing import compare
from core.comparing.comparison_summary import most_read, most_read_sentence
from core.importance.reading_summary import answer_rows, reading_sentence, standing_out
from tests.core.traces_made_up import trace


def test_a_word_has_the_number_that_explore_gives_it():
    runs = [trace("What color is the sky ?", seed=1), trace("What color is the sky ?", seed=2)]
    both = compare(runs, sink="drop")
    for run, one in enumerate(runs):
        alone = explain(one, sink="drop", granularity="word")
        found = standing_out(alone, one.answer_steps)
        assert [
            (u, pytest.approx(r.share), pytest.approx(r.multiple)) for u, r in zip(*_columns(both, run, found))
        ] == (most_read(both, run))
        said = reading_sentence(alone, one.answer_steps, "the whole answer", "").partition("read most ")[2]
        assert most_read_sentence(both, run, "A").partition("shared words ")[2] == said
        assert len(answer_rows(alone)) and "?" not in [both.units[u] for u, _, _ in most_read(both, run)]


def _columns(both, run, found):
    units = [int(np.flatnonzero(both.units.column[run] == r.column)[0]) for r in found]
    return units, found


def test_nothing_stands_out_and_nothing_is_there():
    both = compare([trace("one two three", seed=5), trace("one two three", seed=6)])
    flat = replace(both, values=both.uniform)
    assert most_read_sentence(flat, 0, "A") == ("A: no shared word stands out, none got 1.5 times its uniform share.")
    empty = replace(both, values=np.full(both.values.shape, np.nan))
    assert most_read_sentence(empty, 1, "B") == "B read none of the words that it shares with another column."


def test_a_column_alone_shares_its_words_with_none():
    alone = compare([trace("What color is the sky", seed=3)])
    assert most_read_sentence(alone, 0, "A").startswith("A read most “")
    assert "outside the sink" not in most_read_sentence(alone, 0, "A")
