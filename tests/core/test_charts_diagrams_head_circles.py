"""Circles of heads: letter, colour, size and sign of every head, and the legends."""

import numpy as np
import pytest

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.head_circles import LIGHT, TRAIT_LOOKS, head_circles
from core.maps.head_traits import TRAITS, HeadTraits
from tests.core.diagrams_read import cells, drawn_width, texts

KINDS = ["previous", "first", "induction", "broad", ""]


def traits(kinds, layers=None):
    """Traits of heads that are of ``kinds`` [layer][head]; None: the head is not there."""
    grid = np.array(kinds, object)
    scores = {t: np.where(grid == t, 0.95, 0.0).astype(np.float32) for t in TRAITS}
    gone = grid == None  # noqa: E711
    for one in scores.values():
        one[gone] = np.nan
    names = layers or tuple(range(len(grid)))
    return HeadTraits(names, scores, dict.fromkeys(TRAITS, 0.05) | {"broad": 1.0}, "A model")


FIVE = traits([KINDS, [None, "local", "same", "self", "special"]], layers=(2, 5))
SIZES = np.array([[4.0, -2.0, 0.0, 1.0, -4.0], [9.0, 1.0, 1.0, 1.0, np.nan]])


def test_every_trait_has_a_look_of_its_own():
    assert TRAIT_LOOKS.keys() == {*TRAITS, ""} and set(TRAIT_LOOKS) > LIGHT
    letters, colours = zip(*TRAIT_LOOKS.values(), strict=True)
    assert len(set(letters)) == len(letters) and len(set(colours)) == len(colours)


def test_letter_colour_and_place_are_those_of_the_head():
    found = cells(head_circles(FIVE, layers="down"))
    assert len(found) == 9, "no circle for a head that is not there"
    for (r, c), one in found.items():
        kind = FIVE.names[r, c]
        assert (one["letter"], one["fill"]) == TRAIT_LOOKS[kind] and one["layer"] == (2, 5)[r] and one["head"] == c
    across = cells(head_circles(FIVE, layers="across"))
    assert across[4, 1]["letter"] == "#" and (across[4, 1]["layer"], across[4, 1]["head"]) == (5, 4)


def test_size_grows_with_importance_and_hollow_is_below_zero():
    found = cells(head_circles(FIVE, np.where(FIVE.names == "", -4.0, SIZES), layers="down"))
    sizes = {place: one["s"] for place, one in found.items()}
    assert sizes[0, 0] == sizes[0, 4] > sizes[0, 1] > sizes[0, 3] > sizes[0, 2] > 0
    assert {place for place, one in found.items() if one["fill"] == "#ffffff"} == {(0, 1), (0, 4)}
    assert found[0, 1]["stroke"] != "#ffffff" and (1, 4) not in found, "NaN is not drawn"
    halves = [sizes[0, c] - sizes[0, 2] for c in (0, 1)]
    assert halves[0] == pytest.approx(2 * halves[1], rel=2e-3), "area grows evenly"


def test_legends_name_what_is_there():
    said = " ".join(texts(head_circles(FIVE, SIZES, unit="nats lost")))
    assert "previous: the token before" in said and "next:" not in said
    assert "hollow: below 0" in said and "nats lost" in said and "-2.0" in said and "4.0" in said
    assert "heads by trait: " in said and "1 induction" in said and "A model" in said
    plain = " ".join(texts(head_circles(FIVE)))
    assert "hollow" not in plain and "size:" not in plain
    assert "no head has one of the traits" in " ".join(texts(head_circles(traits([[""]]))))


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
@pytest.mark.parametrize("shape", [(30, 9), (32, 32), (2, 2)])
def test_is_as_wide_as_asked_and_letters_fit_their_circles(width, shape):
    made = traits(np.full(shape, "first"))
    chart = head_circles(made, np.random.default_rng(0).normal(size=shape), width=width)
    assert drawn_width(chart) == pytest.approx(width, abs=1)
    assert len(cells(chart)) == np.prod(shape)
    if shape[0] < 32 or width == TWO_COLUMNS:
        assert all(one["font"] * 0.75 < np.sqrt(one["s"]) for one in cells(chart).values())


def test_a_shape_that_differs_is_told():
    with pytest.raises(ValueError, match=r"importance has shape \(3,\), expected \(2, 5\)"):
        head_circles(FIVE, np.ones(3))
    empty = cells_or_none(head_circles(FIVE, np.full((2, 5), np.nan)))
    assert not empty, "nothing known is nothing drawn, and no error"


def cells_or_none(chart):
    return [d for d in chart.to_dict()["datasets"].values() if d and "letter" in d[0] and "layer" in d[0]]
