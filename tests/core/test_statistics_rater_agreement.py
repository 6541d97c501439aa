"""Tests of the agreement of raters against computations from the definitions."""

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from core.study.statistics.rater_agreement import krippendorff_alpha, pairwise_agreement

RNG = np.random.default_rng(5)
TRUTH = RNG.integers(1, 6, 40)
NEAR = np.clip(TRUTH + RNG.integers(-1, 2, 40), 1, 5)


def table(**raters):
    rows = [(f"i{i}", who, r) for who, given in raters.items() for i, r in enumerate(given) if r]
    return pd.DataFrame(rows, columns=["card", "rater", "rating"])


def kappa(a, b):
    return cohen_kappa_score(a, b, labels=[1, 2, 3, 4, 5], weights="quadratic")


def test_kappa_is_that_of_scikit_learn():
    row = pairwise_agreement(table(ann=TRUTH, bob=NEAR)).iloc[0]
    assert (row["first"], row["second"], row["n"]) == ("ann", "bob", 40)
    assert row["kappa"] == pytest.approx(kappa(TRUTH, NEAR))
    assert row["equal"] == (TRUTH == NEAR).mean() and row["near"] == 1
    assert row["difference"] == pytest.approx((NEAR - TRUTH).mean())


def test_a_grade_that_nobody_gave_keeps_its_width():
    a, b = [1, 2, 5, 1, 2, 5, 5, 1, 2, 5], [1, 5, 5, 2, 2, 1, 5, 1, 2, 2]
    assert pairwise_agreement(table(ann=a, bob=b)).iloc[0]["kappa"] == pytest.approx(kappa(a, b))


def test_only_what_both_rated_counts():
    half = [*NEAR[:20], *[0] * 20]
    seen = pairwise_agreement(table(ann=TRUTH, bob=half, cy=[0] * 31 + [3] * 9))
    assert seen["n"].tolist() == [20, 9, 0]
    assert seen["kappa"].tolist()[0] == pytest.approx(kappa(TRUTH[:20], half[:20]))
    assert seen["kappa"].isna().tolist() == [False, True, True] and "9 of 10" in seen["why"][1]
    assert math.isnan(seen["equal"][2])


def test_one_who_always_says_the_same_has_no_kappa():
    assert "always gave the same" in pairwise_agreement(table(ann=TRUTH, bob=[3] * 40)).iloc[0]["why"]


def test_alpha_from_its_definition():
    given = {"ann": TRUTH.tolist(), "bob": NEAR.tolist(), "cy": [*TRUTH[:15].tolist(), *[0] * 25]}
    units = [[g[i] for g in given.values() if g[i]] for i in range(40)]
    values = [v for u in units for v in u]
    pairs = [((a - b) ** 2, len(u) - 1) for u in units for a, b in permutations(u, 2)]
    observed = sum(d / m for d, m in pairs) / len(values)
    expected = np.mean([(a - b) ** 2 for a, b in permutations(values, 2)])
    seen, why = krippendorff_alpha(table(**given))
    assert seen == pytest.approx(1 - observed / expected) and why == ""


def test_alpha_ends():
    assert krippendorff_alpha(table(ann=TRUTH, bob=TRUTH))[0] == 1
    assert "everybody" in krippendorff_alpha(table(ann=[3] * 40, bob=[3] * 40))[1]
    assert "0 of 10" in krippendorff_alpha(table(ann=TRUTH))[1]
    assert pairwise_agreement(table(ann=TRUTH)).empty and pairwise_agreement(table()).empty


def test_a_repeated_rating_counts_once():
    once = table(ann=TRUTH, bob=NEAR)
    pd.testing.assert_frame_equal(
        pairwise_agreement(pd.concat([table(ann=6 - TRUTH), once, once])), pairwise_agreement(once)
    )
