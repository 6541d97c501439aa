"""Which pairs are one family of tests, and their q-values.

q is Benjamini and Hochberg's (1995) adjusted p over every pair that was asked for and could be tested. Pairs that are
linked by construction are left out: they would come out significant whatever the model does, and would make room for
others. ``LINKED`` is a list of rules by name; to add one: a line with a pattern for each side and the reason.

Guarded by tests/core/test_statistics_multiple_testing.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy import stats

LENGTHS = "words|characters|sentences|tokens|output_tokens|heed:words|heed:characters|heed:sentences|heed:lines"
LINKED: tuple[tuple[str, str, str], ...] = (
    (LENGTHS, LENGTHS, "both measure the length of the answer"),
    (
        "distinct_1|distinct_2|loop_share|zlib_ratio",
        "distinct_1|distinct_2|loop_share|zlib_ratio",
        "both measure repetition",
    ),
    ("mean_logprob|perplexity|mean_entropy", "mean_logprob|perplexity", "both are made of the answer's likelihood"),
    (
        "correct|exact_match|contains|token_f1|chrf|bleu|rouge_l",
        "correct|exact_match|contains|token_f1|chrf|bleu|rouge_l",
        "both compare the answer with the reference",
    ),
    (
        "followed|instructions_strict|instructions_loose|strict|loose",
        "followed|instructions_strict|instructions_loose|strict|loose",
        "both count instructions followed",
    ),
    ("relevance_rank|relevance_cosine|copy_share", "relevance_rank|relevance_cosine", "both compare answer and prompt"),
    (
        "(masked|removed)(_total)?_.*",
        "mean_logprob|perplexity",
        "the effect is a difference to the same log-probability of the answer",
    ),
    ("(masked|removed)_total_.*", LENGTHS, "a total over the answer grows with its length"),
    (
        "share_.*|sink|lookback|entropy|effective_tokens|gini|top_5|drift|content_share",
        LENGTHS,
        "a longer answer has more of its own words to read, which moves this share by itself",
    ),
)
"""(feature, metric, why): patterns of whole names, true in either direction."""

LENGTH_CHECKS = re.compile(
    r"heed:(words|sentences|characters|lines|one_of|number)|length_constraints:.*|keywords:frequency|change_case:capital_word_frequency"
)
"""Instructions whose verdict is decided by, or goes with, how long the answer is."""


def linked_reason(feature: str, metric: str, ids: Sequence[str] = ()) -> str:
    """Why the two are linked by construction; "" if they are not.

    ``ids``: the instructions that are verified in the table, if the metric is about them.
    """
    a, b = (str(name).split("@")[0] for name in (feature, metric))
    if a == b:
        return "both are the same column" if feature == metric else "both are the same measure"
    for one, other, why in LINKED:
        for x, y in ((a, b), (b, a)):
            if re.fullmatch(one, x) and re.fullmatch(other, y):
                return why
    verdict = "followed|instructions_strict|instructions_loose|strict|loose"
    for x, y in ((a, b), (b, a)):
        if re.fullmatch(LENGTHS, x) and re.fullmatch(verdict, y) and any(LENGTH_CHECKS.fullmatch(i) for i in ids):
            return "some of the instructions are about the length of the answer"
    return ""


def q_values(p: np.ndarray, family: np.ndarray | None = None) -> np.ndarray:
    """Benjamini-Hochberg q with the shape of ``p``; NaN outside ``family`` (bool, default all) or where p is NaN."""
    p = np.asarray(p, float)
    inside = np.isfinite(p) if family is None else np.isfinite(p) & family
    q = np.full(p.shape, np.nan)
    if inside.any():
        q[inside] = stats.false_discovery_control(p[inside], method="bh")
    return q
