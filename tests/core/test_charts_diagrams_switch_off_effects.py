"""Effects of switching off: numbers of both pictures, signs, own scales, and what the caption says."""

import numpy as np
import pytest
import vl_convert

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.switch_off_effects import MARKED_FROM, switch_off_heads, switch_off_steps
from tests.core.diagrams_read import cells, drawn_width, texts
from tests.core.test_charts_axis_labels import HARD, drawn

EFFECTS = np.array([[0.5, -2.0, np.nan], [3.0, -0.01, 0.0]])
READ = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, np.nan]])


def test_both_numbers_of_a_head_are_in_its_cell():
    found = cells(switch_off_heads(EFFECTS, READ, layers=(4, 6)))
    assert found[1, 0]["v"] == 3 and found[1, 0]["w"] == pytest.approx(0.4) and found[1, 0]["layer"] == 6
    assert found[0, 2]["v"] is None and found[0, 2]["w"] == pytest.approx(0.3) and found[1, 2]["w"] is None
    assert "w" not in cells(switch_off_heads(EFFECTS))[0, 0]


def svg_of(chart):
    return vl_convert.vegalite_to_svg(chart.to_dict())


def minuses(chart):
    return svg_of(chart).count('aria-roledescription="point"')


def test_below_zero_bears_a_minus_where_it_can_be_seen():
    assert minuses(switch_off_heads(EFFECTS, READ)) == 1, f"-0.01 is less than {MARKED_FROM} of 3"
    assert minuses(switch_off_heads(-EFFECTS)) == 2
    assert minuses(switch_off_heads(np.abs(EFFECTS))) == 0


def scales(chart):
    fills = [layer["encoding"].get("fill", {}) for layer in chart.to_dict()["layer"]]
    return {
        one["field"]: one["scale"] for one in fills if isinstance(one, dict) and "scale" in one and one.get("field")
    }


def test_each_picture_has_its_own_scale():
    chart = switch_off_heads(EFFECTS, READ)
    found = scales(chart)
    assert found["size"]["domain"][-1] == 3 and found["w"]["domain"][-1] == pytest.approx(0.5)
    assert chart.to_dict()["resolve"]["scale"]["fill"] == "independent"
    colours = set(svg_of(chart).split('fill="rgb(')[1:])
    assert len(colours) >= 4, "one scale for all would draw the second picture in the colours of the first"


def test_darkest_are_the_ends_of_both_signs():
    shades = {tuple(s["range"]) for layer in switch_off_heads(EFFECTS).to_dict()["layer"]
              if isinstance(s := layer["encoding"].get("fill", {}).get("scale"), dict)}  # fmt: skip
    assert len(shades) == 2
    for shade in shades:
        light = [sum(int(c[i : i + 2], 16) * w for i, w in ((1, 0.3), (3, 0.59), (5, 0.11))) for c in shade]
        assert light == sorted(light, reverse=True) and light[0] - light[-1] > 150, "readable in greyscale"


def test_the_caption_names_the_largest_and_what_a_minus_is():
    said = " ".join(
        texts(switch_off_heads(EFFECTS, READ, (4, 6), attention_name="attention on your words", caption=["A model"]))
    )
    assert "most: layer 6, head 0 (loses 3.0 nats)" in said and "a minus: more likely without it" in said
    assert "effects do not add up" in said and "A model" in said and "attention on your words" in said
    gained = " ".join(texts(switch_off_heads(np.minimum(EFFECTS, 0))))
    assert "layer 0, head 1 (gains 2.0 nats)" in gained
    assert "minus" not in " ".join(texts(switch_off_heads(np.abs(EFFECTS))))


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
@pytest.mark.parametrize("shape", [(30, 9), (32, 32)])
def test_is_as_wide_as_asked(width, shape):
    made = np.random.default_rng(0).normal(size=shape)
    assert drawn_width(switch_off_heads(made, made**2, width=width)) == pytest.approx(width, abs=1)


def test_tokens_by_components():
    effects = np.array([[0.1, -1.0], [2.0, np.nan], [0.0, 0.5]])
    chart = switch_off_steps(effects, ["layer 0", "layer 1, MLP", "unit 7"], [" Blue", "."], caption=["A model"])
    found = cells(chart)
    assert {p: one["v"] for p, one in found.items()} == {p: v for p, v in np.ndenumerate(effects) if v == v}
    assert minuses(chart) == 1 and {"layer 0", "layer 1, MLP", "unit 7"} <= set(drawn(chart))


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_tokens_that_do_not_fit_are_said(width):
    chart = switch_off_steps(np.ones((2, 300)), ["a", "a much longer name of a component"], ["x"] * 300, width=width)
    shown = 1 + max(c for _, c in cells(chart))
    assert drawn_width(chart) == pytest.approx(width, abs=1) and 30 < shown < 300
    assert f"tokens 1 to {shown} of 300: more do not fit this width" in " ".join(texts(chart))


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match=r"attention has shape \(3, 3\)"):
        switch_off_heads(EFFECTS, np.ones((3, 3)))
    with pytest.raises(ValueError, match="1 layers named"):
        switch_off_heads(EFFECTS, layers=(1,))
    with pytest.raises(ValueError, match="two dimensions"):
        switch_off_heads(np.ones(3))
    with pytest.raises(ValueError, match="2 parts and 1 tokens"):
        switch_off_steps(EFFECTS, ["a", "b"], ["x"])
    assert drawn(switch_off_heads(np.full((2, 2), np.nan))), "nothing known is drawn empty"


def test_words_that_mean_something_to_vega_are_drawn_as_they_are():
    n = len(HARD)
    shown = drawn(switch_off_steps(np.eye(n), HARD, HARD, select="picked"))
    assert all(shown.count(word) == 2 for word in HARD)
    assert drawn(switch_off_heads(EFFECTS, READ, select="picked"))
