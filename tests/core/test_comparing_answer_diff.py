"""Tests of the answers' word diff, which gives back both texts, and of the table of their numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparing import DiffPiece, answer_table, word_diff
from core.errors import MethodError
from tests.core.traces_made_up import FAMILY, PIECES, trace

TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@given(TEXTS, TEXTS)
def test_the_pieces_give_back_both_answers(a, b):
    pieces = word_diff(a, b)
    assert "".join(p.a for p in pieces) == a and "".join(p.b for p in pieces) == b
    for p in pieces:
        assert (p.kind == "same") == (p.a == p.b)
        assert (p.kind == "deleted") == (p.a != "" == p.b) and (p.kind == "inserted") == (p.b != "" == p.a)
    assert all(p.kind != q.kind for p, q in zip(pieces, pieces[1:], strict=False))
    turned = {"inserted": "deleted", "deleted": "inserted"}
    kinds = sorted((turned.get(p.kind, p.kind), p.b, p.a) for p in pieces)
    assert sorted((p.kind, p.a, p.b) for p in word_diff(b, a)) == kinds


def test_known_diffs():
    assert word_diff("The sky is blue.", "The sky was blue.") == [
        DiffPiece("same", "The sky ", "The sky "),
        DiffPiece("replaced", "is", "was"),
        DiffPiece("same", " blue.", " blue."),
    ]
    assert word_diff("It is blue", "It is deep blue") == [
        DiffPiece("same", "It is", "It is"),
        DiffPiece("inserted", "", " deep"),
        DiffPiece("same", " blue", " blue"),
    ]
    assert word_diff("same", "same") == [DiffPiece("same", "same", "same")] and word_diff("", "") == []
    assert word_diff("one two", "x y z") == [DiffPiece("deleted", "one two", ""), DiffPiece("inserted", "", "x y z")]


def test_numbers_of_the_answer():
    run = trace("Sky?", f"Blue, {FAMILY}.", name="qwen", seed=3)
    steps = run.answer_steps
    assert len(steps) == run.steps - 1
    row = answer_table([trace("Sky?"), run]).iloc[1]
    assert (row["run"], row["model"], row["finish"], row["seconds"]) == (1, run.model.caption, "end", 0.5)
    assert (row["words"], row["characters"], row["tokens"]) == (4, 8, len(steps))
    assert row["mean_logprob"] == pytest.approx(run.logprobs[steps].mean())
    assert row["perplexity"] == pytest.approx(np.exp(-run.logprobs[steps].mean()))
    assert row["mean_entropy"] == pytest.approx(run.entropy[steps].mean())


def test_no_answer_and_no_run():
    row = answer_table([trace("Sky?", "")]).iloc[0]
    assert row["tokens"] == 0 and np.isnan(row["mean_logprob"]) and np.isnan(row["perplexity"])
    with pytest.raises(MethodError, match="list of traces"):
        answer_table([])
