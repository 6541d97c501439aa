"""Tests of the cells of answer words by aligned input words: known numbers, same answer only, right places."""

import numpy as np
import pytest

from core.comparing import run_cells, side_by_side, word_cells_of
from core.errors import MethodError
from core.importance import explain
from tests.core.traces_made_up import FAMILY, reduced, trace, unproven

ANSWER = f"The sky is\nunbelievably blue {FAMILY}."


def sides(*runs, granularity="word"):
    made = [explain(t, sink="separate", granularity=granularity) for t in runs]
    return list(runs), made, side_by_side(runs, made)


def test_two_tokenizers_one_answer():
    runs, made, c = sides(trace("What color is it?", ANSWER), trace("What color was it?", ANSWER, "qwen", seed=1))
    grid = word_cells_of(runs, made, c)
    assert [label for label in grid.rows if label.strip("␣⏎")] == "The sky is unbelievably blue".split() + [FAMILY, "."]
    assert grid.values.shape == (2, len(grid.rows), len(c.units))
    at, unit = grid.rows.index("unbelievably"), list(c.units).index("color")
    for run, heat in enumerate(made):
        start = ANSWER.index("unbelievably")
        tokens = runs[run].tokens
        last = len(tokens.sources) - 1
        inside = (tokens.message == last) & (tokens.start < start + 12) & (tokens.end > start)
        steps = np.flatnonzero(inside) - runs[run].prompt_length
        column = list(heat.columns.labels).index("color")
        parts = np.array([1.0 if tokens.end[s + runs[run].prompt_length] <= start + 12 else 0.0 for s in steps])
        expected = (heat.values[steps, column] * parts).sum() / parts.sum()
        assert grid.values[run, at, unit] == pytest.approx(expected, abs=1e-6)
    assert not np.isnan(grid.values).any()


def test_rows_add_up_to_the_mean_over_the_answer():
    """A word's cell is a mean over its steps, so cells weighted by steps give the comparison's value."""
    runs, made, c = sides(trace("What color is it?", "Blue sky."), trace("What color is it?", "Blue sky.", "qwen"))
    labels, values = run_cells(runs[0], made[0], c, 0)
    assert labels == ("Blue", "sky", ".") and values.shape == (3, len(c.units))
    assert len(runs[0].answer_steps) == 3
    np.testing.assert_allclose(values.mean(0), c.values[0], atol=1e-6)
    np.testing.assert_allclose(values, word_cells_of(runs, made, c).values[0], atol=1e-6)


def test_words_without_partner():
    runs, made, c = sides(trace("deep blue sky", "Yes"), trace("blue sky", "Yes", seed=1))
    deep = list(c.units).index("deep")
    assert np.isnan(word_cells_of(runs, made, c).values[:, :, deep]).all()
    assert run_cells(runs[0], made[0], c, 0)[1][0, deep] > 0 and np.isnan(run_cells(runs[1], made[1], c, 1)[1][0, deep])


def test_a_control_token_amid_an_answer_is_no_word_of_it():
    runs, made, c = sides(trace("sky", "Blue<|im_start|> sky"), trace("sky", "Blue sky", "qwen"))
    assert word_cells_of(runs, made, c).rows == ("Blue", "sky")
    labels, values = run_cells(runs[0], made[0], c, 0)
    assert labels == ("Blue", "<|im_start|>", "sky") and not np.isnan(values).any()


def test_spaces_around_an_answer_do_not_count():
    runs, made, c = sides(trace("sky", " Blue sky"), trace("sky", "Blue sky\n", "qwen"))
    grid = word_cells_of(runs, made, c)
    assert grid.rows == ("Blue", "sky") and not np.isnan(grid.values).any()


@pytest.mark.parametrize(("a", "b"), [("Blue", "Grey"), ("", ""), (" ", " ")])
def test_different_or_no_answers(a, b):
    runs, made, c = sides(trace("sky", a), trace("sky", b, seed=1))
    with pytest.raises(MethodError, match="same answer"):
        word_cells_of(runs, made, c)
    assert len(run_cells(runs[0], made[0], c, 0)[0]) == (1 if a.strip() else len(runs[0].answer_steps))


def test_unproven_spans_need_the_same_tokens():
    runs, made, c = sides(unproven(trace("sky", "Blue sky")), trace("sky", "Blue sky", seed=1), granularity="token")
    grid = word_cells_of(runs, made, c)
    assert grid.rows == ("Blue", "␣sky") and not np.isnan(grid.values).any()
    runs, made, c = sides(
        unproven(trace("sky", "unbelievably")), trace("sky", "unbelievably", "qwen"), granularity="token"
    )
    if [*runs[0].output_tokens] != [*runs[1].output_tokens]:
        with pytest.raises(MethodError, match="same answer"):
            word_cells_of(runs, made, c)


def test_reduced_rows_are_enough():
    runs, made, c = sides(reduced(trace("sky", "Blue")), trace("sky", "Blue", "qwen"))
    assert not np.isnan(word_cells_of(runs, made, c).values).any()
