"""Tests of the sentence below a column: the numbers of Explore, words only, and what it says where nothing is there."""

from dataclasses import replace

import numpy as np
import pytest

from core import explain
from core.comparing import compare
from core.comparing.comparison_summary import (
    alignment_sentence,
    letter_note,
    most_read,
    most_read_sentence,
    template_sentence,
    totals_sentence,
)
from core.importance.reading_summary import answer_rows, reading_sentence, standing_out
from tests.core import comparisons_made_up
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


def test_how_prompts_match_is_counted_word_by_word():
    status = np.array([["matched", "replaced", "deleted", "inserted"], ["matched", "replaced", "matched", "deleted"]])
    assert alignment_sentence(status, "AB") == (
        "How the prompts match: 1 words are the same in every column, 1 are replaced by another word, "
        "1 are missing in some, 1 only in A."
    )


def test_a_note_calls_a_column_by_its_letter():
    assert letter_note("Run 2 (Tiny) wrote no answer, so it has no shares.", "AC").startswith("Column C (Tiny) wrote")
    note = "Shares and scores stand side by side here."
    assert letter_note(note, "AB") == note


def test_totals_are_told_from_a_quarter_more_on():
    one = comparisons_made_up.comparison()  # A: 0.65 in all, B: 0.5 without its own word
    said = totals_sentence(one, (0, 1), "AB")
    assert said.startswith("Column A gave these words 65.0 % of its attention in all and column B 50.0 %")
    assert totals_sentence(replace(one, values=np.stack([one.values[0], one.values[0]])), (0, 1), "AB") == ""


def test_what_templates_added_is_told_by_column():
    plain, added = trace("What color ?"), trace("What color ?", seed=1)
    source = replace(added.tokens.sources[0], origin="template", text="Be brief.")
    added = replace(added, tokens=replace(added.tokens, sources=(source, *added.tokens.sources[1:])))
    said = template_sentence([plain, added], "AB")
    assert said == f"Added by the templates: Column B ({added.model.label}): “Be brief.”. None was added in A."
    assert template_sentence([plain], "A") == ""
