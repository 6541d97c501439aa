"""Texts of a figure are taken out of its SVG with their places, and the graphics stay."""

import altair as alt
import pytest

from core.charts.figure_text import split_figure

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50">{}</svg>'


def texts(inside):
    return split_figure(SVG.format(inside).encode())["texts"]


def test_a_text_is_placed_by_all_groups_around_it():
    (one,) = texts(
        '<g transform="translate(10,20)"><g transform="translate(1,2) scale(2)">'
        '<text transform="translate(3,4) rotate(-90) translate(0,5)" text-anchor="end" font-size="8px" fill="red" '
        'font-weight="bold" font-style="italic">a b</text></g></g>'
    )
    assert (one["x"], one["y"], one["angle"]) == (10 + 1 + 2 * (3 + 5), 20 + 2 + 2 * 4, -90)
    assert one["size"] == 16 and one["anchor"] == "end" and one["bold"] and one["italic"]
    assert one["fill"] == "#ff0000ff" and one["outline"] is None and one["text"] == "a b"


def test_lines_opacity_and_outline():
    first, second = texts(
        '<g opacity="0.5"><text x="1" y="2" fill="white" opacity="0.5" stroke="#000" stroke-width="3">'
        '<tspan>one</tspan><tspan x="4" dy="10">two</tspan></text></g>'
    )
    assert (first["x"], first["y"], first["text"]) == (1, 2, "one")
    assert (second["x"], second["y"], second["text"]) == (4, 12, "two")
    assert first["fill"] == "#ffffff40" and first["outline"] == "#00000040" and first["line"] == 3


def test_what_is_not_seen_is_not_set():
    hidden = '<text fill="none">a</text><text opacity="0">b</text><g display="none"><text>c</text></g><text> </text>'
    assert texts(hidden) == []


def test_texts_in_a_clipped_group_stay_in_the_graphics():
    whole = split_figure(SVG.format('<g clip-path="url(#c)"><text>kept</text></g><text>taken</text>').encode())
    assert [t["text"] for t in whole["texts"]] == ["taken"]
    assert "kept" in whole["picture"] and "taken" not in whole["picture"]


def test_a_placement_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="matrix"):
        texts('<text transform="matrix(1,0,0,1,0,0)">a</text>')


def test_all_texts_of_a_chart_are_taken():
    from core.charts.picture_files import svg

    chart = alt.Chart(alt.InlineData(values=[{"t": "<&>", "y": 1}])).mark_bar().encode(x="t:N", y="y:Q")
    parts = split_figure(svg(chart.properties(title="A & B")).data)
    assert {"<&>", "A & B", "0.0", "1.0"} <= {t["text"] for t in parts["texts"]}
    assert "<text" not in parts["picture"] and "<path" in parts["picture"]
    assert parts["width"] > 0 and all(0 <= t["x"] <= parts["width"] for t in parts["texts"])


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
@pytest.mark.parametrize("angle", [0, -90, 30])
def test_typst_sets_a_text_where_the_svg_has_it(anchor, angle):
    """The ink of a text lies where vl-convert draws it, to a pixel or two: the letters are the same, the hints differ."""
    import io

    import vl_convert
    from PIL import Image, ImageOps

    from core.charts.typst_files import FONT, typeset

    text = f'<text transform="translate(90,70) rotate({angle})" text-anchor="{anchor}" font-size="20px" '
    svg = SVG.format(f'<rect width="200" height="150" fill="white"/>{text} font-family="{FONT}">Heed</text>')
    svg = svg.replace('width="100" height="50"', 'width="200" height="150"')
    drawn = vl_convert.svg_to_png(svg, scale=1)
    made = typeset("figure", split_figure(svg.encode()) | {"title": ""}, "png", 96)[0]
    boxes = []
    for data in (drawn, made):
        picture = Image.open(io.BytesIO(data)).convert("L")
        assert picture.size == (200, 150)
        boxes.append(ImageOps.invert(picture).point(lambda v: 255 * (v > 60)).getbbox())
    assert boxes[0] == pytest.approx(boxes[1], abs=2)
