"""Tests the heatmap of a Probe: known cells, signs, what could not be scored, and many cells."""

from __future__ import annotations

import numpy as np

from core.charts.effect_heatmap import MOST_EFFECT_CELLS, effect_heatmap, variant_names
from core.records import Probe
from tests.core import charts_made_up as made


def probe(effect, masks=None, answer=()):
    effect = np.asarray(effect, np.float32)
    words = " ".join(f"w{n}" for n in range(len(effect) if masks is None else np.shape(masks)[1]))
    tr = made.trace(words, "x")
    units = made.units(tr, list(range(1, tr.prompt_length - 1)))
    masks = np.eye(len(effect), dtype=bool) if masks is None else np.asarray(masks)
    base = np.full(effect.shape[1], -1.0, np.float32)
    return Probe(tr.id, units, masks, base - effect, base, "mask", model="M", answer=answer)


def test_cells_are_nats_with_their_sign():
    chart = effect_heatmap(probe([[0.5, -0.25], [np.nan, np.nan]], answer=("The", " sky")))
    cells = {(c["hidden"], c["output"]): c["value"] for c in made.data(chart)}
    assert cells == {("w0", "The"): 0.5, ("w0", "␣sky"): -0.25}
    fill = chart.to_dict()["layer"][0]["encoding"]["fill"]["scale"]
    assert fill["domain"] == [-0.5, 0.5] and fill["domainMid"] == 0


def test_picked_variants_keep_their_own_values():
    chart = effect_heatmap(probe([[1.0], [2.0], [3.0]]), np.array([2, 0]))
    assert [(c["hidden"], c["output"], c["value"]) for c in made.data(chart)] == [
        ("w2", "step 1", 3.0),
        ("w0", "step 1", 1.0),
    ]


def test_many_cells_become_the_whole_answer():
    effect = np.full((90, MOST_EFFECT_CELLS // 90 + 1), 0.25)
    cells = made.data(effect_heatmap(probe(effect)))
    assert len(cells) == 90 and {c["output"] for c in cells} == {"the whole answer"}
    assert cells[0]["value"] == 0.25 * effect.shape[1]


def test_variants_are_named_by_what_they_hide():
    masks = [[True, False, False], [True, True, False], [True, True, True], [False, False, False]]
    assert variant_names(probe(np.ones((4, 1)), masks)) == ["w0", "w0 + w1", "w0 + w1 + 1 more", "nothing"]
