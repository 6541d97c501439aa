"""The grid of heads: kind by colour and letter, importance by area, below zero hollow."""

import numpy as np
import pytest

from core.charts.diagrams.head_circles import LETTERS, head_circles
from core.maps.head_traits import TRAITS, head_traits
from tests.core.drawn_records import records_with
from tests.core.test_charts_diagrams_head_maps import maps


def records(chart):
    return records_with(chart, "letter")


def test_area_follows_importance_and_the_sign_is_kept():
    traits = head_traits(maps(2, 2))
    weight = np.array([[1.0, 0.5], [-1.0, 0.0]])
    found = {(r["layer"], r["head"]): r for r in records(head_circles(traits, weight, unit="nats"))}
    assert len(found) == 4 and found[0, 0]["area"] == found[1, 0]["area"] > found[0, 1]["area"] > found[1, 1]["area"]
    assert found[1, 0]["sign"] != found[0, 0]["sign"] and found[0, 1]["amount"] == 0.5
    assert {r["letter"] for r in found.values()} <= set(LETTERS.values())
    with pytest.raises(ValueError, match="one number a head"):
        head_circles(traits, weight[:1])


def test_every_trait_has_a_letter_of_its_own():
    assert set(LETTERS) == {*TRAITS, ""} and len(set(LETTERS.values())) == len(LETTERS)
