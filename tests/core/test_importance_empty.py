"""Tests that an empty importance has the units of a computed one and no numbers."""

import pytest

from core.importance import explain, group_rows
from core.importance.empty import empty_importance
from core.text.units import units
from tests.pages import made_up


@pytest.mark.parametrize("level", ["token", "word", "sentence"])
def test_units_are_those_of_explain(level):
    trace = made_up.run()
    empty = empty_importance(trace, level)
    read = explain(trace, granularity=level)
    rows = group_rows(read, units(trace.tokens, level, range(trace.prompt_length, len(trace.tokens)))).rows
    assert empty.columns.labels == read.columns.labels and empty.rows.labels == rows.labels
    assert not empty.values.any() and not empty.uniform.any() and not empty.shares


def test_a_run_without_rows_has_one_too():
    assert len(empty_importance(made_up.attentionless(), "word").columns) > 3
