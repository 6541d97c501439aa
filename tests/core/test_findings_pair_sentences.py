"""Tests of the sentence on a pair, which follows its verdict and claims no cause, and of the forest of any pair."""

import re

import numpy as np
import pytest

from core.study.findings.pair_sentences import forest_of_pair, pair_sentence
from tests.core.study_made_up import runs_table


def row(**changes):
    own = {"rho": 0.31, "low": 0.1, "high": 0.5, "q": 0.012, "n": 60, "verdict": "positive", "why": "", "linked": False}
    return own | {"primary": False, "p_primary": np.nan} | changes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, r"more of “F” goes with a higher value of “M” \(rank correlation 0.31, 95 % interval 0.10 to 0.50, 60"),
        ({"verdict": "negative", "rho": -0.3}, "a lower value"),
        (
            {"verdict": "no correlation found", "q": 0.4},
            r"No correlation found between prompts .* exploratory, q = 0.400",
        ),
        ({"verdict": "linked", "linked": True}, "linked by construction"),
        ({"verdict": "too few prompts", "why": "there are 12 prompts"}, r"no verdict\. There are 12 prompts\."),
        ({"primary": True, "p_primary": 0.0001}, "named before Start, p below 0.001"),
        ({"rho": np.nan, "why": "The feature is the same."}, "could not be correlated between prompts. The feature"),
        ({"why": "Strata differ."}, r"q = 0.012\)\. Strata differ\."),
    ],
)
def test_the_verdict_is_put_into_words(changes, told):
    said = pair_sentence(row(**changes), "F", "M", "between")
    assert re.search(told, said), said
    assert not re.search(r"because|causes?\b|due to|leads to|improves", said, re.IGNORECASE)


def test_no_numbers_no_claim():
    assert "was not computed" in pair_sentence(None, "F", "M", "within")
    assert pair_sentence(row(), "F", "M", "within").startswith("Within a prompt")


def test_the_forest_leaves_controls_and_failed_runs_out():
    made = runs_table(12, failed=3)
    between = forest_of_pair(made, "lookback", "followed", "between")
    within = forest_of_pair(made, "lookback", "followed", "within")
    assert len(between) == 3 * 2 * 2 + 1 and len(within) == 3 * 2 + 1
    assert between["n"].iloc[:-1].max() <= 12 and between["stratum"].iloc[-1] == "pooled"
