"""Tests of stability: hand-computed numbers, moved sentences, the interval against scipy's, its coverage."""

from dataclasses import replace
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.comparing.edit_alignment import align_edit
from core.comparing.mean_spread import ENOUGH, RunningMoments, mean_interval
from core.comparing.run_stability import measure_stability, same_answer, stability_sentence
from core.errors import MethodError
from core.importance import explain
from tests.core import charts_made_up as made
from tests.pages import made_up

PROMPT = "What color is the sky"


def pair(question, shares, answer="Blue sky"):
    """A run and its importance, in which every step reads ``shares`` of the words of ``question``."""
    trace = made_up.run(question, answer)
    found = explain(trace, sink="separate", granularity="word")
    values = np.zeros(found.values.shape, np.float32)
    own = found.columns.message >= 0
    values[:, own] = np.asarray(shares, np.float32)
    return trace, replace(found, values=values)


def three():
    runs = [
        pair(PROMPT, [0.1, 0.2, 0.0, 0.1, 0.3]),
        pair("What  colour is the sky", [0.1, 0.4, 0.0, 0.1, 0.3]),
        pair("Please what color is sky", [0.5, 0.1, 0.6, 0.0, 0.0]),
    ]
    return measure_stability(*zip(*runs, strict=True))


def test_numbers_by_hand():
    found = three()
    assert found.units == ("What", "color", "is", "the", "sky")
    assert found.rows == ("Blue", "sky")
    assert found.runs.tolist() == [3, 3, 3, 2, 3]
    expected = [[0.1, 0.2, 0.0, 0.1, 0.3], [0.1, 0.4, 0.0, 0.1, 0.3], [0.1, 0.6, 0.0, np.nan, 0.0]]
    assert np.allclose(found.answer, expected, equal_nan=True)
    assert np.allclose(found.mean, [[0.1, 0.4, 0.0, 0.1, 0.2]] * 2)
    assert np.allclose(
        found.spread, [np.std(np.array(expected)[:, u][: found.runs[u]], ddof=1) for u in range(5)], atol=1e-6
    )
    assert np.allclose(found.first, [expected[0]] * 2)
    assert np.isnan(found.low).all() and np.isnan(found.high).all()
    assert any("3" in n and str(ENOUGH) in n for n in found.notes)
    assert any("1 word is not in every run" in n for n in found.notes)


def test_the_sentence_names_the_largest_and_the_one_that_moved_most():
    said = stability_sentence(three())
    assert said.startswith("Over 2 edits of the prompt, “color” kept between 20.0 % and 60.0 %; the ranks")
    runs = [pair(PROMPT, [0.1, 0.5, 0.0, 0.1, v]) for v in (0.1, 0.3, 0.2)]
    said = stability_sentence(measure_stability(*zip(*runs, strict=True)), "sampling seeds", 3)
    assert said.startswith(
        "Over 3 sampling seeds, “color” kept 50.0 %, “sky” moved most, between 10.0 % and 30.0 %; the"
    )


def test_agreement_by_hand():
    found = three()
    spearman = found.agreement.set_index("measure").loc["spearman"]
    a = found.answer
    both = [0, 1, 2, 4]
    pairs = [
        spearmanr(a[0], a[1]).statistic,
        spearmanr(a[0][both], a[2][both]).statistic,
        spearmanr(a[1][both], a[2][both]).statistic,
    ]
    assert spearman["pairs"] == 3
    assert spearman["mean"] == pytest.approx(np.mean(pairs)) and spearman["lowest"] == pytest.approx(min(pairs))
    top = found.agreement.set_index("measure").loc["top-5"]
    assert np.isnan(top["mean"]) and top["pairs"] == 0, "five words have no top five"


def test_a_run_with_itself_never_moves():
    runs = [pair("What color is the sky today, I ask", np.arange(1, 10) / 100) for _ in range(12)]
    found = measure_stability(*zip(*runs, strict=True))
    assert np.allclose(found.spread, 0, atol=1e-9)
    assert np.allclose(found.low, found.answer[0], atol=1e-12) and np.allclose(found.high, found.answer[0], atol=1e-12)
    assert [(b.mean, b.lowest, b.pairs) for b in found.between] == [(1.0, 1.0, 66)] * 2
    assert "kept 9.0 %" in stability_sentence(
        found
    ) and "Spearman correlation of 1.00 (lowest 1.00)" in stability_sentence(found)


def test_sentences_that_moved_are_followed():
    runs = [
        pair("Key here now . Hall is dark .", np.arange(8) / 100),
        pair("Hall is dark . Key here now .", [4, 5, 6, 7, 0, 1, 2, 3] / np.float64(100)),
    ]
    found = measure_stability(*zip(*runs, strict=True))
    assert found.runs.tolist() == [2] * 8
    assert np.allclose(found.answer[0], found.answer[1])


def test_different_answers_have_no_cells():
    runs = [pair(PROMPT, [0.1, 0.2, 0.0, 0.1, 0.3], answer=a) for a in ("Blue sky", "Blue", "Blue sky")]
    found = measure_stability(*zip(*runs, strict=True))
    assert found.rows == () and found.mean.shape == (0, 5) and not same_answer([t for t, _ in runs])
    assert np.allclose(found.answer, [[0.1, 0.2, 0.0, 0.1, 0.3]] * 3)
    assert any("no cells" in n for n in found.notes)


def test_real_importances_are_the_means_that_explain_gives():
    runs = [made_up.run(made.QUESTION, seed=s) for s in range(4)]
    maps = [explain(t, sink="separate", granularity="word") for t in runs]
    found = measure_stability(runs, maps)
    by_hand = np.array([m.values[t.answer_steps].mean(0)[found.column] for t, m in zip(runs, maps, strict=True)])
    assert np.allclose(found.answer, by_hand)
    cells = np.array([m.values[:, found.column] for m in maps])
    assert np.allclose(found.mean, cells.mean(0), atol=1e-6)
    assert np.allclose(found.spread, cells.std(0, ddof=1), atol=1e-6)
    assert list(found.table["word"]) == list(found.units)
    assert np.allclose(found.table["largest"], by_hand.max(0))


@pytest.mark.parametrize("pick", [slice(0, 1), slice(0, 0)])
def test_too_few_runs_are_told(pick):
    runs = [pair(PROMPT, [0.1, 0.2, 0.0, 0.1, 0.3])][pick]
    with pytest.raises(MethodError, match="^[^\n]+\\.$"):
        measure_stability([t for t, _ in runs], [i for _, i in runs])


def test_the_interval_is_that_of_all_resamples():
    """The interval of ten runs equals that of all 92,378 resamples with repetition, weighted by their frequency."""
    values = np.random.default_rng(1).gamma(2.0, size=(10, 3))
    low, high = mean_interval(values, samples=40_000)
    taken = np.array(list(combinations_with_replacement(range(10), 10)))
    counts = (taken[:, :, None] == np.arange(10)).sum(1)
    weight = np.array([1 / np.prod([factorial(c) for c in row]) for row in counts.tolist()])
    for unit in range(3):
        means = values[:, unit][taken].mean(1)
        order = np.argsort(means)
        share = np.cumsum(weight[order]) / weight.sum()
        ends = means[order][np.searchsorted(share, [0.025, 0.975])]
        assert [low[unit], high[unit]] == pytest.approx(ends, abs=0.03 * (ends[1] - ends[0]))


def test_the_interval_leaves_out_runs_without_the_word_and_asks_for_ten():
    values = np.random.default_rng(3).random((14, 3))
    values[:4, 1] = np.nan
    values[:5, 2] = np.nan
    low, high = mean_interval(values)
    assert np.isfinite(low[:2]).all() and np.isnan(low[2]) and np.isnan(high[2])
    alone = mean_interval(values[4:, 1:2])
    assert (low[1], high[1]) == (alone[0][0], alone[1][0])
    assert mean_interval(values, seed=1)[0][0] != low[0]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    values = np.random.default_rng(4).normal(5.0, 1.0, size=(25, 400))
    low, high = mean_interval(values, samples=1000)
    assert 0.89 < np.mean((low < 5.0) & (high > 5.0)) < 0.97


@given(st.lists(st.lists(st.one_of(st.floats(-5, 5), st.just(np.nan)), min_size=3, max_size=3), min_size=1, max_size=9))
def test_means_that_come_one_by_one(rows):
    moving = RunningMoments((3,))
    for row in rows:
        moving.add(np.array(row))
    for c in range(3):
        known = [r[c] for r in rows if np.isfinite(r[c])]
        assert moving.count[c] == len(known)
        assert np.isnan(moving.mean[c]) if not known else moving.mean[c] == pytest.approx(np.mean(known), abs=1e-9)
        short = len(known) < 2
        assert (
            np.isnan(moving.spread[c]) if short else moving.spread[c] == pytest.approx(np.std(known, ddof=1), abs=1e-7)
        )


def test_a_synonym_stands_for_its_word_and_a_stray_word_for_none():
    assert align_edit("the big sky".split(), "the large sky".split()).tolist() == [0, 1, 2]
    assert align_edit("the big sky".split(), "please the big sky thanks".split()).tolist() == [1, 2, 3]
    assert align_edit("a b the".split(), "the c d e".split()).tolist() == [-1, -1, 0], "a word that both have only once"


@given(st.lists(st.sampled_from("abcde"), max_size=9), st.lists(st.sampled_from("abcdE"), max_size=9))
def test_no_place_is_taken_twice(a, b):
    place = align_edit(a, b)
    used = [p for p in place.tolist() if p >= 0]
    assert len(used) == len(set(used)) and all(p < len(b) for p in used)
    assert align_edit(a, a).tolist() == list(range(len(a)))


@given(st.permutations(["the key is here", "hall was very dark", "we ask for one", "my cat sat down"]))
def test_whole_sentences_are_found_wherever_they_stand(order):
    first = "the key is here hall was very dark we ask for one my cat sat down".split()
    other = " ".join(order).split()
    assert [other[p] for p in align_edit(first, other)] == first
