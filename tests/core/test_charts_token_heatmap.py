"""Tests the heatmap and its overview: true values, equal words apart, what it says, maxima kept."""

import base64
import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from core.charts.raster_heatmap import downsample, palette_png, raster_heatmap_chart, viridis_colours
from core.charts.token_heatmap import MOST_CELLS, fits_as_cells, heatmap
from tests.core import charts_made_up as made
from tests.core.charts_made_up import data as cells


def known():
    """An Importance of two answer words on three input words; the first step cannot read the first word."""
    tr = made.trace("blue red blue", "sky blue")
    values = np.array([[0.0, 0.25, 0.5], [0.1, 0.2, 0.3]])
    imp = made.importance(tr, values=values)
    uniform = np.array([[0.0, 0.125, 0.125], [0.1, 0.1, 0.1]])
    return tr, replace(imp, uniform=uniform)


def test_tooltips_hold_true_values():
    found = {(c["row"], c["column"]): c for c in cells(heatmap(known()[1]))}
    assert (0, 0) not in found, "a cell that could not be read is empty"
    assert len(found) == 5
    assert found[0, 2] == {
        "x": 2, "y": 0, "row": 0, "column": 2, "output": "sky", "input": "blue", "value": 0.5, "times": 4.0, "step": "1",
    }  # fmt: skip
    assert found[1, 1]["value"] == pytest.approx(0.2)
    assert found[1, 1]["times"] == pytest.approx(2)


def test_equal_words_stay_two_columns():
    assert {c["x"] for c in cells(heatmap(known()[1])) if c["input"] == "blue"} == {0, 2}


def test_tooltip_names_share_and_multiple():
    tips = heatmap(known()[1]).to_dict()["layer"][0]["encoding"]["tooltip"]
    assert [t["title"] for t in tips] == ["Answer", "Input", "share of attention", "times uniform reading", "step"]
    assert tips[2]["format"].endswith("p")


def test_scores_are_never_called_shares():
    text = json.dumps(heatmap(replace(known()[1], unit="score", sums_to_one=False)).to_dict())
    assert "score" in text
    assert "share of attention" not in text


def test_earlier_output_is_a_second_block_with_an_empty_upper_triangle():
    tr = made.trace()
    imp = made.importance(tr, "all")
    p = tr.prompt_length
    drawn = cells(heatmap(imp, prompt_length=p))
    earlier = [c for c in drawn if c["column"] >= p]
    assert {(c["row"], c["column"] - p) for c in earlier} == {(r, k) for r in range(tr.steps) for k in range(r)}
    assert min(c["x"] for c in earlier) > max(c["x"] for c in drawn if c["column"] < p) + 1
    assert all(c["column"] < p for c in cells(heatmap(imp, prompt_length=p, earlier=False)))


def test_figure_says_what_it_shows():
    tr, imp = known()
    spec = heatmap(imp).to_dict()
    lines = " ".join([*spec["title"]["subtitle"], spec["description"]])
    for part in (tr.model.caption, "mean-attention", "sink shown", "word", tr.id[:8], "share of attention"):
        assert part in lines
    assert spec["layer"][0]["encoding"]["fill"]["scale"]["scheme"] == "viridis"
    assert spec["layer"][0]["encoding"]["fill"]["legend"]["title"] == "share of attention"


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
@pytest.mark.parametrize("hostile", ["</script><img onerror=x>", "'];alert(1);['", "\\", "\u202e", "", "😀\ud800"])
def test_vega_draws_every_label_and_scale(scale, hostile):
    _, imp = known()
    imp = replace(imp, columns=replace(imp.columns, labels=(hostile, "\n", '"]')))
    spec = json.loads(heatmap(imp, scale=scale, picked=(0, 1), select="cell").to_json())
    assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_legend_is_a_gradient():
    vega = vl_convert.vegalite_to_vega(heatmap(known()[1]).to_dict())
    assert [set(legend) & {"fill", "stroke"} for legend in vega["legends"]] == [{"fill"}]


def test_a_page_may_stretch_it_without_squeezing_its_rows():
    spec = heatmap(known()[1]).to_dict()
    assert spec["autosize"]["type"] == "fit-x"
    svg = vl_convert.vegalite_to_svg(spec | {"width": 1500})
    assert 'width="15' in svg[:250]


def test_many_columns_thin_their_labels():
    tr = made.trace("word " * 300, "yes")
    svg = vl_convert.vegalite_to_svg(heatmap(made.importance(tr)).to_dict())
    assert 20 < svg.count(">word<") < 60


def test_a_marked_column_has_its_label_and_no_other_lies_on_it():
    tr = made.trace(" ".join(f"w{i}" for i in range(150)), "yes")
    for marked in (40, 41):
        svg = vl_convert.vegalite_to_svg(heatmap(made.importance(tr), marked={marked: 2.0}).to_dict())
        shown = sorted(int(i) for i in re.findall(r">w(\d+)</text>", svg))
        assert marked in shown
        assert min(b - a for a, b in pairwise(shown)) >= 3, "14 pixels a label, of 5 a column"


def test_fits_counts_cells():
    imp = made.importance(made.trace("a " * 700, "b " * 10))
    assert imp.values.size == MOST_CELLS
    assert fits_as_cells(imp)
    assert not fits_as_cells(imp, MOST_CELLS - 1)


def test_no_rows_and_all_zero_do_not_break():
    tr = made.trace()
    zero = made.importance(tr, values=np.zeros((tr.steps, tr.prompt_length - 2)))
    for chart in (heatmap(zero, scale="log"), raster_heatmap_chart(zero)):
        assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")


@given(arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.floats(0, 1, width=32)))
def test_downsampling_keeps_every_maximum(values):
    small, (a, b) = downsample(values, 7, 5)
    assert small.shape[0] <= 7
    assert small.shape[1] <= 5
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            assert small[i, j] == values[i * a : (i + 1) * a, j * b : (j + 1) * b].max()


def test_overview_says_that_it_shows_maxima():
    imp = made.importance(made.trace("a " * 2000, "b " * 20))
    spec = raster_heatmap_chart(imp, width=880).to_dict()
    assert any("each pixel is the maximum of 1 × 4 cells" in line for line in spec["title"]["subtitle"])
    assert "maximum" not in " ".join(raster_heatmap_chart(known()[1]).to_dict()["title"]["subtitle"])
    assert vl_convert.vegalite_to_svg(spec).startswith("<svg")


def test_picture_has_the_palette_and_leaves_the_unreadable_clear():
    uri = palette_png(np.array([[0.0, 1.0, np.nan]]))
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGBA")
    assert [picture.getpixel((x, 0)) for x in range(2)] == [(68, 1, 84, 255), (253, 231, 37, 255)]
    assert picture.getpixel((2, 0))[3] == 0
    assert viridis_colours(3).tolist()[0] == [68, 1, 84]


@pytest.mark.parametrize("width", [420, 1130, 1700])
def test_picture_and_axis_of_the_overview_are_equally_wide(width):
    """A page stretches a chart to its own width: labels must still stand over their columns."""
    tr = made.trace(" ".join(f"word{i}" for i in range(300)))
    spec = raster_heatmap_chart(made.importance(tr)).to_dict() | {"width": width}
    svg = vl_convert.vegalite_to_svg(spec)
    picture = [float(n) for n in re.search(r'<image [^>]*width="([\d.]+)" height="([\d.]+)"', svg).groups()]
    plot = [float(n) for n in re.search(r'class="background"[^>]*d="M[^"]*?h([\d.]+)v([\d.]+)', svg).groups()]
    assert picture == pytest.approx(plot, abs=1.01) and picture[0] < width


def test_hovering_the_overview_shows_no_picture_data():
    spec = raster_heatmap_chart(known()[1]).to_dict()
    assert spec["layer"][0]["mark"]["tooltip"] is None
    assert 'aria-label="x0' not in vl_convert.vegalite_to_svg(spec), "a screen reader would spell the picture"


def test_colours_end_at_a_percentile_and_say_so():
    values = np.full((20, 50), 0.01)
    values[0, 0] = 0.9
    tr = made.trace("a " * 50, "b " * 20)
    imp = made.importance(tr, values=values)
    for chart in (raster_heatmap_chart(imp, clip=99), heatmap(imp, scale="sqrt", clip=99)):
        spec = chart.to_dict()
        (line,) = [line for line in spec["title"]["subtitle"] if line.startswith("colours")]
        assert line.startswith("colours by square root, full from 1.00") and line.endswith(" %, the 99th percentile")
    assert max(c["value"] for c in cells(heatmap(imp, scale="sqrt", clip=99))) == pytest.approx(0.9)
    assert not any("colours" in line for line in heatmap(imp).to_dict()["title"]["subtitle"])


def test_clipping_to_nothing_keeps_the_largest():
    values = np.zeros((4, 50))
    values[0, 0] = 0.5
    spec = heatmap(made.importance(made.trace("a " * 50, "b " * 4), values=values), clip=90).to_dict()
    assert spec["layer"][0]["encoding"]["fill"]["scale"]["domain"] == [0, 0.5]


def test_a_marked_column_is_framed_and_its_label_always_stands():
    imp = made.importance(made.trace(" ".join(f"word{i}" for i in range(300)), "yes"))
    assert ">word7<" not in vl_convert.vegalite_to_svg(heatmap(imp).to_dict())
    assert ">word7<" in vl_convert.vegalite_to_svg(heatmap(imp, marked={7: 2.0}).to_dict())
