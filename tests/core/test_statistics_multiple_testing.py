"""Tests of q-values over a family of tests."""

import numpy as np
from statsmodels.stats.multitest import multipletests

from core.study.statistics.multiple_testing import q_values


def test_q_is_benjamini_hochberg_over_the_family():
    p = np.array([[0.01, 0.5, np.nan], [0.02, 1e-4, 0.03]])
    family = np.array([[True, True, True], [True, False, True]])
    inside = np.isfinite(p) & family
    q = q_values(p, family)
    assert np.allclose(q[inside], multipletests(p[inside], method="fdr_bh")[1]) and np.isnan(q[~inside]).all()
    assert np.isnan(q_values(np.array([np.nan]))).all() and q_values(np.array([])).shape == (0,)
