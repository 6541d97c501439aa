"""The map shows true values, leaves empty what could not be read, and tells wrong boxes and settings in one sentence."""

import base64
import io
import json

import numpy as np
import pytest
import vl_convert
from PIL import Image

from core.charts.diagrams.attention_map import attention_map, value_domain
from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.map_cells import BLUES, MOST_RECTANGLES
from core.charts.panels import PICKED_COLOUR
from core.charts.raster_heatmap import blended_colours
from core.maps.regions import Region
from core.records import AttentionMap, map_tokens


def one(rows=6, columns=7, seed=0, **about):
    values = np.random.default_rng(seed).dirichlet(np.ones(columns), rows)
    return AttentionMap.of(values, [f"q{i}" for i in range(rows)], [f"k{i}" for i in range(columns)], **about)


def marks(chart, kind):
    """The layers of a chart that are drawn with this mark."""
    return [layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == kind]


def records(chart, kind):
    """The data of the layers of a chart that are drawn with this mark."""
    drawn = chart.to_dict()
    found = [layer["data"] for layer in drawn["layer"] if layer["mark"]["type"] == kind]
    return [drawn["datasets"][d["name"]] if "name" in d else list(d["values"]) for d in found]


def svg(chart):
    return vl_convert.vegalite_to_svg(json.loads(chart.to_json()))


def test_every_cell_has_its_true_value_whatever_gamma():
    it = one()
    for gamma in (0.4, 1, 2):
        cells = records(attention_map(it, gamma=gamma), "rect")[0]
        assert len(cells) == 42
        assert all(c["value"] == pytest.approx(it.values[c["query"], c["key"]], rel=1e-6) for c in cells)
        colour = marks(attention_map(it, gamma=gamma), "rect")[0]["encoding"]["color"]
        assert colour["scale"]["exponent"] == gamma and colour["scale"]["domain"][1] == pytest.approx(it.values.max())
    assert "gamma 0.4" in " ".join(attention_map(it, gamma=0.4).to_dict()["title"]["subtitle"])


def test_unreadable_cells_are_empty_and_unknown_ones_grey():
    it = AttentionMap.of(np.where(np.eye(4), np.nan, np.tril(np.ones((4, 4)))), causal=True)
    known, unknown = records(attention_map(it), "rect")
    assert {(c["query"], c["key"]) for c in known} == {(q, k) for q in range(4) for k in range(q)}
    assert {(c["query"], c["key"]) for c in unknown} == {(i, i) for i in range(4)}
    lines = " ".join(attention_map(it).to_dict()["title"]["subtitle"])
    assert "white: could not be read" in lines and "grey: not known" in lines


def edges_of(chart):
    """The edges of rows and columns: the two lists of numbers among the parameters."""
    return [p["value"] for p in chart.to_dict()["params"] if p["name"].startswith("edges_")]


def test_the_lens_enlarges_the_highest_cells_and_writes_their_values():
    values = np.full((40, 50), 0.01)
    values[[4, 30], [7, 20]] = 0.5, 0.25
    chart = attention_map(AttentionMap.of(values), lens=2, grow=3)
    columns, rows = sorted((np.diff(e) for e in edges_of(chart)), key=len, reverse=True)
    assert set(np.flatnonzero(rows > 1.5 * np.median(rows))) == {4, 30}
    assert set(np.flatnonzero(columns > 1.5 * np.median(columns))) == {7, 20}
    written = {(t["query"], t["key"]): t["text"] for t in records(chart, "text")[0]}
    assert written == {(4, 7): "50", (4, 20): "1.0", (30, 7): "1.0", (30, 20): "25"}
    assert not records(attention_map(AttentionMap.of(values)), "text")


def test_the_lens_leaves_out_special_tokens_and_sinks():
    values = np.random.default_rng(0).uniform(0.01, 0.02, (20, 20))
    values[:, 0] = 0.6
    values[:, 5] = 0.3
    values[3, 9] = 0.1
    special = np.arange(20) == 5
    it = AttentionMap.of(values, keys=map_tokens(20, special))
    assert [(t["query"], t["key"]) for t in records(attention_map(it, lens=1), "text")[0]] == [(3, 9)]
    assert "outside special tokens and sinks" in " ".join(attention_map(it, lens=1).to_dict()["title"]["subtitle"])
    assert {t["key"] for t in records(attention_map(it, lens=2, skip=()), "text")[0]} == {0}
    assert {t["key"] for t in records(attention_map(it, lens=2, skip=[0]), "text")[0]} == {5}


def test_200_x_200_keep_the_size_of_20_x_20():
    drawn = attention_map(one(200, 200), lens=5, width=TWO_COLUMNS).to_dict()
    assert drawn["width"] == TWO_COLUMNS and drawn["height"] <= TWO_COLUMNS * 1.1
    assert attention_map(one(20, 20), lens=5, width=TWO_COLUMNS).to_dict()["width"] == TWO_COLUMNS


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_the_figure_is_as_wide_as_asked(width):
    drawn = svg(attention_map(one(30, 40), lens=3, width=width, caption=["a long caption line " * 10]))
    assert f'width="{width}"' in drawn[:200]


def test_large_maps_are_one_picture_with_the_highest_as_cells():
    it = one(120, 90, causal=True, offset=10)
    assert it.values.size > MOST_RECTANGLES
    chart = attention_map(it, lens=3, gamma=0.5)
    (picture,) = records(chart, "image")
    cells = records(chart, "rect")[0]
    best = np.unravel_index(np.argmax(np.where(it.readable, it.values, -1)), it.values.shape)
    assert tuple(best) in {(c["query"], c["key"]) for c in cells} and len(cells) < 1200
    image = Image.open(io.BytesIO(base64.b64decode(picture[0]["url"].split(",")[1]))).convert("RGBA")
    assert image.getpixel((image.width - 1, 0))[3] == 0, "what could not be read is empty"
    assert image.getpixel((0, image.height - 1))[3] == 255
    assert svg(chart).count("<image") == 1


def test_the_picture_has_the_colours_of_the_cells():
    values = np.linspace(0, 1, 100 * 100).reshape(100, 100)
    (picture,) = records(attention_map(AttentionMap.of(values, kind="cross"), skip=()), "image")
    image = Image.open(io.BytesIO(base64.b64decode(picture[0]["url"].split(",")[1]))).convert("RGB")
    assert image.getpixel((0, 0)) == tuple(blended_colours(BLUES, 255)[0])
    assert image.getpixel((image.width - 1, image.height - 1)) == tuple(blended_colours(BLUES, 255)[-1])
    grey = [int(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in blended_colours(BLUES, 50)]
    assert (np.diff(grey) <= 0).all(), "lightness falls steadily"


def test_boxes_and_regions_are_framed_numbered_and_told():
    it = one(source="made up")
    region = Region(1, 1, 2, 2, score=5, contrast=4, mean=0.25, rank=1)
    chart = attention_map(it, boxes=[((0, 0), (1, 3))], regions=[region])
    frames = records(chart, "rect")[-1]
    keys = ("query", "key", "bottom", "right", "number")
    assert [tuple(f[k] for k in keys) for f in frames] == [(0, 0, 1, 3, "1"), (1, 1, 2, 2, "2")]
    lines = " ".join(chart.to_dict()["title"]["subtitle"])
    assert "2: 'q1 q2' read 'k1 k2' (25 % a cell, 4.0 × the rest of its rows)" in lines
    assert "what it was used for" in lines and "made up" in lines
    assert PICKED_COLOUR not in chart.to_json()


@pytest.mark.parametrize(
    ("box", "says"),
    [
        (((2, 0), (1, 3)), "Box 2: its top row 2 lies below its bottom row 1."),
        (((0, 4), (1, 3)), "Box 2: its left column 4 lies to the right of its right column 3."),
        (((0, 0), (6, 3)), "Box 2: its rows are 0 to 6, but the map has rows 0 to 5."),
        (((0, -1), (1, 3)), "Box 2: its columns are -1 to 3, but the map has columns 0 to 6."),
        (((0, 0), (1.5, 3)), "Box 2: its bottom is 1.5, expected a whole number."),
        (((0, 0), (True, 3)), "Box 2: its bottom is True, expected a whole number."),
        ((0, 0, 1, 3), "Box 2 is (0, 0, 1, 3), expected ((top, left), (bottom, right))."),
        (3, "Box 2 is 3, expected ((top, left), (bottom, right))."),
    ],
)
def test_wrong_boxes_are_told_in_one_sentence(box, says):
    with pytest.raises(ValueError) as told:
        attention_map(one(), boxes=[((0, 0), (1, 1)), box])
    assert str(told.value) == says


@pytest.mark.parametrize(
    "settings", [{"lens": -1}, {"lens": 1.5}, {"gamma": 0}, {"grow": 0.5}, {"lens": 1, "skip": [7]}]
)
def test_wrong_settings_are_told(settings):
    with pytest.raises(ValueError, match="expected|no key 7"):
        attention_map(one(), **settings)


def test_boxes_of_numpy_integers_are_fine():
    box = ((np.int64(0), np.int32(1)), (np.int64(2), np.int64(3)))
    assert records(attention_map(one(), boxes=[box]), "rect")[-1][0]["right"] == 3


@pytest.mark.parametrize(
    "values",
    [np.ones((1, 1)), np.ones((1, 50)) / 50, np.ones((50, 1)), np.zeros((5, 5)), np.full((3, 4), np.nan),
     np.array([[-1.0, 2.0], [0.5, 7.0]]), np.zeros((90, 90)), np.full((90, 90), np.nan)],
)  # fmt: skip
def test_every_map_is_drawn(values):
    for width in (ONE_COLUMN, TWO_COLUMNS):
        assert svg(attention_map(AttentionMap.of(values), lens=2, gamma=0.5, width=width)).startswith("<svg")


def test_equal_and_strange_labels_stay_apart():
    it = AttentionMap.of(np.eye(4), ["if", "if", "\n", " "], ["<b>", "<b>", "datum", "a'b"])
    drawn = svg(attention_map(it))
    assert drawn.count(">if<") == 2 and drawn.count("&lt;b&gt;<") == 2 and ">⏎<" in drawn and ">␣<" in drawn


def test_special_tokens_are_marked():
    it = AttentionMap.of(np.eye(3), keys=map_tokens(["[CLS]", "a", "b"], [True, False, False]))
    assert 'font-style="italic"' in svg(attention_map(it))
    assert 'font-style="italic"' not in svg(attention_map(it, mark_special=False))


def test_a_click_can_be_asked_for():
    chart = attention_map(one(), select="cell").to_dict()
    (picked,) = [p for p in chart["params"] if p["name"] == "cell"]
    assert picked["select"]["fields"] == ["query", "key"]


def test_the_domain_of_several_maps():
    assert value_domain([np.array([[0.1, np.nan]]), np.array([0.4])]) == (0, 0.4)
    assert value_domain([np.zeros(3)]) == (0, 1) and value_domain([]) == (0, 1)
    assert value_domain([np.array([-2.0, 3.0])]) == (-2, 3)
    colour = marks(attention_map(one(), domain=(0, 0.9)), "rect")[0]["encoding"]["color"]
    assert colour["scale"]["domain"] == [0, 0.9]


def test_a_pixel_shows_the_highest_of_its_cells():
    values = np.full((10, 2000), 0.1)
    values[:, ::2] = np.nan
    values[4, 1001] = 0.7
    (picture,) = records(attention_map(AttentionMap.of(values), width=ONE_COLUMN), "image")
    image = Image.open(io.BytesIO(base64.b64decode(picture[0]["url"].split(",")[1]))).convert("RGBA")
    pixels = np.array(image)
    assert (pixels[..., 3] == 255).all(), "one cell of each is known"
    assert (pixels[..., :3] == blended_colours(BLUES, 255)[-1]).all(-1).any()


def test_an_array_from_python_is_drawn_as_a_map():
    values = np.eye(3, dtype=np.float32)
    assert attention_map(values).to_dict()["title"] == attention_map(AttentionMap.of(values)).to_dict()["title"]
