"""Finds pairs of columns that are linked by construction, so that their correlation is arithmetic and no finding.

The reasons are declared where the columns are defined: at the feature (``linked``), at the metric (``measures``,
``linked``) and at the instruction (``goes_with_length``). Guarded by tests/core/test_study_links.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .features import get_feature
from .quality.instructions import INSTRUCTIONS
from .quality.metrics import MEASURES, get_metric

FACTS = {"output_tokens": "length", "strict": "instructions", "loose": "instructions"}
"""{column that is neither metric nor feature: what it measures}, of the tables of runs and of instructions."""


def link_reason(feature: str, metric: str, ids: Sequence[str] = ()) -> str:
    """Returns why two columns (metrics or features, in any order) are linked by construction; "" if they are not.

    ``ids``: the instructions that are verified in the table, if a column is about them.
    """
    a, b = str(feature).partition("@")[0], str(metric).partition("@")[0]
    if a == b:
        return "both are the same column" if feature == metric else "both are the same measure"
    (one, one_goes_with), (other, other_goes_with) = _declared(a), _declared(b)
    if one and one == other:
        return MEASURES[one]
    if other in one_goes_with or one in other_goes_with:
        return one_goes_with.get(other) or other_goes_with[one]
    about_length = any(INSTRUCTIONS[i].goes_with_length for i in ids if i in INSTRUCTIONS)
    if {one, other} == {"length", "instructions"} and about_length:
        return "some of the instructions are about the length of the answer"
    return ""


def _declared(column: str) -> tuple[str, Mapping[str, str]]:
    """Returns (what a column measures, {what others measure: why it goes with them})."""
    metric = get_metric(column)
    if metric is not None:
        return metric.measures, metric.linked
    feature = get_feature(column)
    return FACTS.get(column, ""), feature.linked if feature is not None else {}
