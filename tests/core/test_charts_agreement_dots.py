"""Tests of the agreement chart: beside its baselines, undefined written out, a heading for each pair."""

import pytest
import vl_convert

from core.charts.agreement_dots import MEASURE_NAMES, agreement_chart, agreement_rows
from core.records import Agreement
from tests.core import comparisons_made_up as made
from tests.core.comparisons_made_up import rows_with

pytestmark = pytest.mark.slow


def test_agreement_stands_beside_both_baselines():
    chart = agreement_chart(made.comparison(), made.NAMES)
    found = {(r["measure"], r["kind"]): r["x"] for r in rows_with(chart, "kind")}
    name = MEASURE_NAMES["spearman"]
    assert found[name, "these two columns"] == -0.2
    assert found[name, "position alone"] == 0.4
    assert found[name, "tokens per word alone"] == 0.1
    assert "agreement is not faithfulness" in chart.to_json()


def test_undefined_is_written_and_never_drawn_as_zero():
    chart = agreement_chart(made.comparison(), made.NAMES)
    gone = [r for r in rows_with(chart, "kind") if r["measure"] == MEASURE_NAMES["top-5"]]
    assert {r["x"] for r in gone} == {None}
    assert {r["value"] for r in gone} == {"undefined"}
    assert gone[0]["why"].startswith("Only 4 words")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert svg.count(">undefined<") == 1
    assert "top 5 in common: undefined" in chart.to_dict()["description"]


def test_every_pair_has_a_heading():
    three = made.comparison(agreements=tuple(Agreement(a, b, "cosine", 0.5, 0.4, 0.3, 5) for a, b in [(0, 1), (1, 0)]))
    text = agreement_chart(three, made.NAMES).to_json()
    assert "A · one and B · two" in text
    assert {r["place"] for r in rows_with(agreement_chart(three, made.NAMES), "kind")} == {1, 3}


def test_the_table_has_a_line_for_each_pair_and_measure():
    rows = agreement_rows(made.comparison(), "AB")
    first, last = rows[0], rows[-1]
    assert first["Columns"] == "A and B" and first["Measure"] == MEASURE_NAMES["spearman"]
    assert (first["Value"], first["Place alone"], first["Tokens per word alone"]) == ("-0.200", "0.400", "0.100")
    assert last["Value"] == "undefined" and last["Why undefined"].startswith("Only 4 words")
