"""Tests the plot of attention against effect and its bars: known corners and numbers, words of no share, labels."""

from dataclasses import replace

import numpy as np
import pytest
import vl_convert

from core.charts import picture_files
from core.charts.answer_effect_bars import effect_bars
from core.charts.attention_vs_effect_plot import attention_vs_effect_chart, corner_names
from core.comparing.attention_vs_effect import CORNERS, corner_of
from core.records import Probe
from tests.core import charts_made_up as made
from tests.core.comparisons_made_up import encodings, rows_with

pytestmark = pytest.mark.slow

X = np.array([2.0, 4.0, 0.5, 0.25, 0.0, np.nan])
Y = np.array([3.0, -1.0, 2.0, 0.0, 0.5, 1.0])
WORDS = ("sky", "the", "What", ".", "zero", "markup")


def points(**more):
    return attention_vs_effect_chart(X, Y, WORDS, **more)


def test_fields_are_those_of_the_numbers():
    assert corner_names(X, Y) == [corner_of(x, y) for x, y in zip(X, Y, strict=True)]
    assert corner_names([2.0, 2.0, 2.0, 0.5, 0.5, 0.5], [3, 0.05, -1, 3, -0.05, -1]) == list(CORNERS)
    assert corner_names([2.0, 0.5], [0.2, -0.2], threshold=0.25) == [CORNERS[1], CORNERS[4]]


def test_points_hold_numbers_and_names():
    found = {r["word"]: r for r in rows_with(points(units=[7, 8, 9, 10, 11, 12]), "corner")}
    assert "markup" not in found, "an undefined number has no place"
    assert (found["sky"]["x"], found["sky"]["y"], found["sky"]["unit"]) == (2.0, 3.0, 7)
    assert (found["sky"]["read"], found["sky"]["lost"]) == ("2.00 × uniform", "+3.00 nats")
    assert found["the"]["corner"] == "read and hindered"
    assert found["the"]["lost"] == "-1.00 nats"
    lines = points().to_dict()["title"]["subtitle"]
    assert any(line.startswith("1 of 6 are not drawn") for line in lines)
    assert "helped: the answer was less likely without it · hindered: likelier without it" in lines
    assert not any("influence" in line or "passed" in line for line in lines), "only what was measured"


def test_the_bottom_is_named_by_what_lies_there():
    def names(y):
        chart = attention_vs_effect_chart(np.array([2.0, 0.5]), np.array(y), ["a", "b"]).to_dict()
        return {r["name"] for t in chart["datasets"].values() for r in t if set(r) == {"name"}} | {
            layer["data"]["values"][0]["name"]
            for layer in chart["layer"]
            if "name" in (layer.get("data", {}).get("values") or [{}])[0]
        }

    assert names([1.0, -1.0]) == {CORNERS[0], CORNERS[2], CORNERS[3], CORNERS[5]}
    assert names([1.0, 0.0]) == {CORNERS[0], CORNERS[1], CORNERS[3], CORNERS[4]}


def test_what_was_not_read_at_all_stands_at_the_left_edge():
    found = {r["word"]: r for r in rows_with(points(), "corner")}
    domain = encodings(points(), "x")[-1]["scale"]["domain"]
    assert found["zero"]["x"] == domain[0] < 0.25
    assert found["zero"]["read"] == "0 × uniform"
    assert "hardly read" in vl_convert.vegalite_to_svg(points().to_dict())
    known = attention_vs_effect_chart(X[:3], Y[:3], WORDS[:3])
    assert "hardly read" not in vl_convert.vegalite_to_svg(known.to_dict())


def test_lines_stand_at_one_and_at_the_threshold():
    tables = [t for t in points(threshold=0.25).to_dict()["datasets"].values() if len(t) == 1]
    assert [{"x": 1.0}] in tables
    assert [{"y": 0.25}, {"y": -0.25}] in list(points(threshold=0.25).to_dict()["datasets"].values())


def test_picked_points_are_ringed_and_a_click_names_the_unit():
    chart = points(picked=[2], select="word")
    assert [r["word"] for r in rows_with(chart, "corner") if r["picked"]] == ["What"]
    assert chart.to_dict()["params"][0]["select"]["fields"] == ["unit"]
    assert "params" not in points(select=None).to_dict()


def test_labels_never_fall_on_each_other():
    rng = np.random.default_rng(0)
    n = 200
    x, y = rng.lognormal(0, 0.05, n), rng.normal(0, 0.001, n)
    x[0], y[0] = 8.0, 5.0
    svg = vl_convert.vegalite_to_svg(attention_vs_effect_chart(x, y, [f"word{i}" for i in range(n)]).to_dict())
    written = svg.count(">word")
    assert 1 <= written < 14
    assert ">word0<" in svg


def test_lengths_must_fit_and_nothing_is_no_error():
    with pytest.raises(ValueError, match="y has 2 entries for 6 labels"):
        attention_vs_effect_chart(X, Y[:2], WORDS)
    for empty in (
        attention_vs_effect_chart([], [], []),
        attention_vs_effect_chart([np.nan], [1.0], ["a"]),
        attention_vs_effect_chart([0.0], [0.0], ["a"]),
    ):
        assert vl_convert.vegalite_to_svg(empty.to_dict()).startswith("<svg")


def probe(trace, logprobs):
    units = made.units(trace, list(range(trace.prompt_length)))
    masks = np.zeros((len(logprobs), len(units)))
    masks[:, 1] = True
    return Probe(trace.id, units, masks, logprobs, np.full(trace.steps, -1.0), "mask", model=trace.model.caption)


def test_bars_are_what_the_words_of_the_answer_lose():
    tr = made.trace("What color", "sky blue")
    chart = effect_bars(probe(tr, [[-3.0, -0.5], [np.nan, np.nan]]), 0, tr)
    bars = rows_with(chart, "lost")
    assert [(b["label"], b["lost"], b["way"]) for b in bars] == [
        ("sky", 2.0, "less likely"),
        ("blue", -0.5, "likelier"),
    ]
    assert (bars[0]["before"], bars[0]["after"], bars[0]["said"]) == ("-1.00 nats", "-3.00 nats", "+2.00 nats")
    low, high = encodings(chart, "y")[0]["scale"]["domain"]
    assert low == -high
    assert "“What”" in chart.to_dict()["title"]["text"]
    assert picture_files.png(chart).data


def test_a_word_of_two_tokens_has_their_sum_or_their_mean():
    tr = made.trace("What", "sky blue")
    start, end = tr.tokens.start.copy(), tr.tokens.end.copy()
    start[-2:], end[-2:] = (0, 1), (1, 3)  # both tokens belong to "sky"
    tr = replace(tr, tokens=replace(tr.tokens, start=start, end=end))
    made_up = probe(tr, [[-3.0, -2.0]])
    assert [b["lost"] for b in rows_with(effect_bars(made_up, 0, tr), "lost")] == [3.0]
    assert [b["lost"] for b in rows_with(effect_bars(made_up, 0, tr, per="mean"), "lost")] == [1.5]


def test_a_variant_that_cannot_be_made_says_so():
    tr = made.trace("What color", "sky blue")
    made_up = probe(tr, [[np.nan, np.nan]])
    chart = effect_bars(made_up, 0, tr)
    assert "cannot be made" in " ".join(chart.to_dict()["title"]["subtitle"])
    assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")
    with pytest.raises(IndexError, match="no variant 1"):
        effect_bars(made_up, 1, tr)
