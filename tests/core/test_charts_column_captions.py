"""Tests of the captions of a comparison's charts, and of what all these charts share."""

import numpy as np
import pytest
import vl_convert

from core.charts import picture_files
from core.charts.agreement_dots import agreement_chart
from core.charts.aligned_heatmaps import heatmaps
from core.charts.column_captions import WIDEST, caption_lines, fitting_names, name_lines, values_elsewhere
from core.charts.next_token_bars import next_token_chart
from core.charts.word_differences import difference_chart, gained_lost_chart
from core.records import Aligned
from tests.core import comparisons_made_up as made
from tests.core.comparisons_made_up import heat, next_tokens, same_answer

pytestmark = pytest.mark.slow


def test_captions_name_weights_runs_and_methods():
    lines = caption_lines(made.comparison(), made.NAMES)
    assert lines[0].startswith("A · one: SmolLM2 135M Instruct")
    assert "run aaaaaaaa" in lines[1] and max(map(len, lines)) <= WIDEST, "as wide as a phone"
    assert "mean-attention" in lines[4]
    two = {
        "methods": ["mean-attention", "last-layer"],
        "layers": [None, [3]],
        "heads": [None, None],
        "sink": "separate",
    }
    lines = caption_lines(made.comparison(parameters=two), made.NAMES)
    assert lines[1].endswith("mean-attention")
    assert lines[3].endswith("last-layer · layers 3")
    assert lines[4] == "sink left out" and lines[5].startswith("by word")


def test_a_long_name_is_whole_in_the_caption_and_a_letter_elsewhere():
    long = [f"{letter} · An-Organisation/A-Model-With-A-Name-Of-Sixty-Letters-{letter}" for letter in "AB"]
    lines = caption_lines(made.comparison(), long)
    assert long[0].replace(" ", "") in "".join(lines).replace(" ", "") and max(map(len, lines)) <= WIDEST
    assert fitting_names(long) == ["A", "B"] and name_lines(made.NAMES) == []
    assert "".join(name_lines(long)).replace(" ", "") == "".join(long).replace(" ", "")
    assert fitting_names(made.NAMES) == list(made.NAMES)
    assert fitting_names([long[0], long[0]]) == [long[0], long[0]], "two letters alike say nothing"
    for chart in (agreement_chart(made.comparison(), long), gained_lost_chart(made.comparison(), 0, 1, long)):
        assert "…" not in chart.to_json() and "Sixty" in chart.to_json()


def charts():
    yield from (heat(), heat(arrange="stacked", shared=False, select="word"), heat(picked=[0, 4]))
    c = made.comparison()
    yield difference_chart(c, 0, 1, made.NAMES, select="word")
    yield difference_chart(c, 1, 0, made.NAMES, same_answer(), picked=[2])
    yield gained_lost_chart(c, 0, 1, made.NAMES, select="word")
    yield agreement_chart(c, made.NAMES)
    yield next_token_chart(next_tokens(), made.NAMES)


def test_every_chart_exports_with_title_caption_and_description():
    for chart in charts():
        spec = chart.to_dict()
        assert spec["title"]["subtitle"]
        assert len(spec["description"]) > 40
        assert "data" not in spec or not isinstance(spec["data"].get("values"), str), "Streamlit takes records only"
        assert picture_files.svg(chart).data.decode().count("<text") > 3
    assert picture_files.png(chart, scale=1).data
    assert picture_files.pdf(chart).data


def test_no_words_and_no_agreement_are_no_error():
    none = np.zeros((2, 0))
    empty = made.comparison(
        units=Aligned((), ((), ()), none), values=none, uniform=none, pieces=none, alone=none,
        status=np.zeros((2, 0), str), agreements=(),
    )  # fmt: skip
    traces, importances = made.runs()
    for chart in (
        heatmaps(traces, importances, empty, names=made.NAMES),
        difference_chart(empty, 0, 1, made.NAMES),
        gained_lost_chart(empty, 0, 1, made.NAMES),
        agreement_chart(empty, made.NAMES),
    ):
        assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")


def test_a_word_says_what_the_other_column_has():
    lines = values_elsewhere(made.comparison(), 0, "AB", 5)
    assert lines[0][0].startswith("B: “Name” · 20.0 %") and len(lines[0]) == 1
    assert lines[4] is None, "no word of this column stands there"
