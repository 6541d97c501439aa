"""Tests of the charts of word differences: sign, scale, order, labels and odd words."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts import picture_files
from core.charts.word_differences import difference_chart, gained_lost_chart
from core.records import Aligned
from tests.core import comparisons_made_up as made
from tests.core.comparisons_made_up import encodings, many_words, rows_with, same_answer

pytestmark = pytest.mark.slow


def test_a_picked_word_is_framed_where_its_line_is():
    n = 100
    texts = tuple("word" for _ in range(n))
    c = many_words(n, texts)
    chart = difference_chart(c, 0, 1, made.NAMES, picked=[70])
    frame = rows_with(chart, "x2")
    cell = next(r for r in rows_with(chart, "difference") if r["unit"] == 70)
    assert [(f["x"], f["y"]) for f in frame] == [(cell["x"], cell["y"])]


def test_a_difference_is_b_less_a_with_the_middle_at_zero():
    chart = difference_chart(made.comparison(), 0, 1, made.NAMES)
    found = {c["unit"]: c for c in rows_with(chart, "difference")}
    assert [found[u]["difference"] for u in range(4)] == pytest.approx([0.1, -0.05, 0.0, -0.2])
    assert (found[3]["a"], found[3]["b"], found[3]["change"]) == (0.3, 0.1, "-20.0 points")
    assert 4 not in found, "a word that only one has is no difference"
    scale = encodings(chart, "fill")[0]["scale"]
    assert scale["domain"] == pytest.approx([-0.2, 0.2])
    assert (scale["domainMid"], scale["scheme"]) == (0, "blueorange")


def test_swapping_the_columns_turns_every_sign():
    one = {
        c["unit"]: c["difference"]
        for c in rows_with(difference_chart(made.comparison(), 0, 1, made.NAMES), "difference")
    }
    two = {
        c["unit"]: c["difference"]
        for c in rows_with(difference_chart(made.comparison(), 1, 0, made.NAMES), "difference")
    }
    assert {u: -v for u, v in one.items()} == pytest.approx(two)


def test_differences_by_answer_word():
    chart = difference_chart(made.comparison(), 0, 1, made.NAMES, same_answer())
    found = {(c["row"], c["unit"]): c["difference"] for c in rows_with(chart, "difference")}
    assert len(found) == 8
    assert found[0, 0] == pytest.approx(0.1)
    assert found[1, 0] == pytest.approx(0.3)
    assert {c["output"] for c in rows_with(chart, "difference")} == {"apple", "pie"}


def test_no_difference_at_all_still_has_a_scale():
    same = made.comparison(values=np.tile(made.comparison().values[0], (2, 1)))
    chart = difference_chart(same, 0, 1, made.NAMES)
    assert encodings(chart, "fill")[0]["scale"]["domain"] == [-1, 1]
    assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")
    assert "no word differs" in gained_lost_chart(same, 0, 1, made.NAMES).to_dict()["title"]["subtitle"]


def test_gained_first_lost_last():
    chart = gained_lost_chart(made.comparison(), 0, 1, made.NAMES)
    bars = sorted(rows_with(chart, "difference", "place"), key=lambda r: r["place"])
    assert [b["difference"] for b in bars] == pytest.approx([0.1, -0.05, -0.2])
    assert [b["more"] for b in bars] == ["B · two", "A · one", "A · one"]
    assert "one | two" in chart.to_json()
    lines = " ".join(chart.to_dict()["title"]["subtitle"])
    assert "B · two 25.0 %" in lines
    assert len(rows_with(gained_lost_chart(made.comparison(), 0, 1, made.NAMES, most=1), "difference", "place")) == 2


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(alphabet="a\n\t \u202eשل你😀\u0301'\"\\<]", max_size=8), min_size=5, max_size=5))
def test_any_words_draw_and_never_reach_a_label_as_they_are(words):
    texts = tuple(words)
    units = Aligned(texts, (texts, texts), made.comparison().units.column)
    chart = difference_chart(made.comparison(units=units), 0, 1, made.NAMES)
    assert "\\u202e" not in json.dumps(chart.to_dict())


def test_hostile_words_are_drawn_as_text():
    texts = ("</script><img onerror=x>", "'];alert(1);['", "\\", "\u202e\ud800", "")
    units = Aligned(texts, (texts, texts), made.comparison().units.column)
    assert (
        "&lt;/script&gt;"
        in picture_files.svg(difference_chart(made.comparison(units=units), 0, 1, made.NAMES)).data.decode()
    )


def test_exports_have_a_minus_that_every_font_has():
    svg = picture_files.svg(difference_chart(made.comparison(), 0, 1, made.NAMES)).data.decode()
    assert "\u2212" not in svg
    assert ">-20%<" in svg


def test_labels_are_thinned_by_the_width_that_is_drawn():
    n = 90
    texts = tuple("word" for _ in range(n))
    c = many_words(n, texts)
    cells = SimpleNamespace(rows=("x",), values=np.random.default_rng(0).random((2, 1, n)))
    spec = difference_chart(c, 0, 1, made.NAMES, cells).to_dict()
    narrow, wide = (vl_convert.vegalite_to_svg(spec | {"width": w}).count(">word<") for w in (500, 1700))
    assert 15 < narrow < 50
    assert wide == n


def test_names_must_fit():
    for a, b in itertools.product((1, 3), (0,)):
        with pytest.raises(ValueError, match="names do not fit 2 columns"):
            difference_chart(made.comparison(), b, 1, ["x"] * a)
