"""Tests of the bars of two words: sides, order of the text, the largest first cut."""

import numpy as np
import pytest

from core.charts.contrast_bars import contrast_bars_chart


def records(chart):
    plain = chart.to_dict()
    layer = plain["layer"][0]
    return plain, plain["datasets"][layer["data"]["name"]] if "name" in layer["data"] else layer["data"]["values"]


def test_bars_stand_in_the_order_of_the_text_and_on_their_side():
    plain, found = records(contrast_bars_chart(["What", "sky", "if"], np.array([-0.5, 2.0, 0.25]), "blue", "if"))
    assert [r["label"] for r in found] == ["What", "sky", "if"]
    assert [r["value"] for r in found] == [-0.5, 2.0, 0.25]
    assert [r["way"] for r in found] == ["for “if”", "for “blue”", "for “blue”"]
    assert found[0]["said"] == "−0.500 nats" and plain["title"]["text"] == "“blue” rather than “if”"


def test_only_the_largest_are_drawn_and_the_figure_says_so():
    values = np.array([0.1, -3.0, 0.2, 2.0])
    plain, found = records(contrast_bars_chart(list("abcd"), values, "x", "y", most=2))
    assert [r["label"] for r in found] == ["b", "d"]
    assert plain["title"]["subtitle"] == ["the 2 words with the largest values; 2 more are smaller"]
    with pytest.raises(ValueError, match="expected"):
        contrast_bars_chart(["a"], values, "x", "y")
