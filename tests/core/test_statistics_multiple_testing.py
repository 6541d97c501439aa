"""Which pairs are linked by construction, and q-values over the rest."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from core.study.statistics.multiple_testing import linked_reason, q_values


@pytest.mark.parametrize(
    ("feature", "metric", "ids"),
    [
        ("words", "words", ()),
        ("tokens", "characters", ()),
        ("share_output", "words", ()),
        ("lookback", "tokens", ()),
        ("share_instruction@last-layer", "sentences", ()),
        ("masked_instruction", "mean_logprob", ()),
        ("removed_total_check", "perplexity", ()),
        ("masked_total_context", "tokens", ()),
        ("words", "followed", ("heed:words", "punctuation:no_comma")),
        ("output_tokens", "instructions_loose", ("length_constraints:number_words",)),
        ("token_f1", "correct", ()),
        ("instructions_loose", "followed", ()),
    ],
)
def test_linked_either_way_round_with_a_reason(feature, metric, ids):
    assert linked_reason(feature, metric, ids) and linked_reason(metric, feature, ids)


@pytest.mark.parametrize(
    ("feature", "metric", "ids"),
    [
        ("share_instruction", "followed", ("heed:words",)),
        ("masked_instruction", "followed", ()),
        ("masked_instruction", "words", ()),
        ("multiple_context", "words", ()),
        ("entropy", "mean_entropy", ()),
        ("words", "followed", ("punctuation:no_comma",)),
        ("prompt_tokens", "correct", ()),
        ("x", "y", ()),
        ("sinking", "words", ()),
    ],
)
def test_not_linked(feature, metric, ids):
    assert linked_reason(feature, metric, ids) == ""


def test_q_is_benjamini_hochberg_over_the_family():
    p = np.array([[0.01, 0.5, np.nan], [0.02, 1e-4, 0.03]])
    family = np.array([[True, True, True], [True, False, True]])
    inside = np.isfinite(p) & family
    q = q_values(p, family)
    assert np.allclose(q[inside], multipletests(p[inside], method="fdr_bh")[1]) and np.isnan(q[~inside]).all()
    assert np.isnan(q_values(np.array([np.nan]))).all() and q_values(np.array([])).shape == (0,)
