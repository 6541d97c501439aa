"""Tests of the columns' heatmaps: every column's own numbers, one scale or one each, no place twice."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.aligned_heatmaps import heatmaps
from core.charts.column_captions import units_of
from core.records import Aligned
from tests.core import comparisons_made_up as made
from tests.core.comparisons_made_up import encodings, heat, rows_with

pytestmark = pytest.mark.slow


def test_cells_hold_each_run_s_own_numbers():
    found = {(c["run"], c["row"], c["unit"]): c for c in rows_with(heat(), "run", "value")}
    assert found[0, 0, 3]["value"] == pytest.approx(0.4)
    assert found[0, 1, 3]["value"] == pytest.approx(0.2)
    assert found[1, 0, 4]["value"] == pytest.approx(0.25)
    assert found[1, 0, 4]["output"] == "cherries"
    traces, importances = made.runs()
    assert found[0, 0, 3]["times"] == pytest.approx(0.4 / importances[0].uniform[0, 3], rel=1e-5)
    assert {key[:2] for key in found} == {(0, 0), (0, 1), (1, 0)}


def test_a_word_that_a_run_does_not_have_is_left_empty():
    cells = rows_with(heat(), "run", "value")
    assert not [c for c in cells if c["run"] == 0 and c["unit"] == 4]
    assert [c for c in cells if c["run"] == 1 and c["unit"] == 4]


@pytest.mark.parametrize("arrange", ["side", "stacked"])
def test_grids_never_share_a_place(arrange):
    cells = rows_with(heat(arrange=arrange), "run", "value")
    places = [(c["x"], c["y"]) for c in cells]
    assert len(set(places)) == len(places)
    x = {run: {c["x"] - c["unit"] for c in cells if c["run"] == run} for run in (0, 1)}
    assert x[0] == {0}
    assert x[1] == ({0} if arrange == "stacked" else x[1] - {0})


def test_tooltips_say_what_every_column_has():
    chart = heat()
    words = rows_with(chart, "word", "c0", "c1")
    assert words[0]["c0"] == "“Name” · 10.0 % over the answer · 1.00 × uniform"
    assert words[1]["c1"] == "“two” · 15.0 % over the answer · 1.50 × uniform · another word"
    assert (words[4]["c0"], words[4]["c1"]) == ("no such word", "“please” · 25.0 % over the answer · only here")
    tips = encodings(chart, "tooltip")[0]
    assert [t["title"] for t in tips][-2:] == list(made.NAMES)


def test_colours_of_long_texts_go_by_the_square_root_and_the_legend_says_so(monkeypatch):
    def fills():
        return [(f["scale"].get("type"), f["legend"]["title"]) for f in encodings(heat(), "fill") if "legend" in f]

    assert all(kind == "linear" and "square root" not in title for kind, title in fills())
    monkeypatch.setattr("core.charts.aligned_heatmaps.BENT_FROM", 4)
    assert fills() and all(
        kind == "sqrt" and title.endswith("(square root, full from the 99.5th percentile)") for kind, title in fills()
    )


def test_words_that_differ_are_marked_and_written_as_they_stand_there():
    text = heat().to_json()
    for part in ("~ one", "~ two", "+ please", "~ another word stands there"):
        assert part in text
    same = made.comparison(status=np.full((2, 5), "matched"))
    traces, importances = made.runs()
    assert "another word stands there" not in heatmaps(traces, importances, same, names=made.NAMES).to_json()


def test_one_scale_for_all_or_one_each():
    shared, each = encodings(heat(), "fill"), encodings(heat(shared=False), "fill")
    assert [f["scale"]["domain"][1] for f in shared] == pytest.approx([0.4])
    assert [f["scale"]["domain"][1] for f in each] == pytest.approx([0.4, 0.25])
    assert [f["legend"]["title"] for f in each] == ["share of attention · A · one", "share of attention · B · two"]
    assert heat(shared=False).to_dict()["resolve"]["scale"]["fill"] == "independent"


def test_shares_and_scores_never_have_one_scale():
    mixed = made.comparison(parameters={"methods": ["mean-attention", "max-heads"]}, sums_to_one=False)
    traces, importances = made.runs()
    chart = heatmaps(traces, importances, mixed, names=made.NAMES)
    assert units_of(mixed) == ["share", "score"]
    titles = [f["legend"]["title"] for f in encodings(chart, "fill")]
    assert titles == ["share of attention · A · one", "score · B · two"]
    words = rows_with(chart, "word", "c0", "c1")[0]
    assert "%" in words["c0"]
    assert "%" not in words["c1"]


def test_a_click_names_the_word_and_a_picked_word_is_framed():
    chart = heat(select="word", picked=[1])
    assert chart.to_dict()["params"][0]["name"] == "word"
    assert chart.to_dict()["params"][0]["select"]["fields"] == ["unit"]
    frames = rows_with(chart, "x2")
    assert len(frames) == 2
    assert all(f["x2"] - f["x"] == 1 for f in frames)


def test_many_cells_become_one_row_a_column_in_lines():
    units, runs = 2400, 2
    texts = tuple(f"w{i}" for i in range(units))
    values = np.linspace(0, 1e-3, units * runs).reshape(runs, units)
    big = made.comparison(
        units=Aligned(texts, (texts, texts), np.tile(np.arange(units), (2, 1))),
        values=values,
        uniform=np.full((runs, units), 1e-4),
        pieces=np.ones((runs, units)),
        alone=np.full((runs, units), np.nan),
        status=np.full((runs, units), "matched"),
        unaligned=np.zeros(2),
        agreements=(),
    )
    traces, importances = made.runs()
    wide = [replace(i, columns=_units(i.columns, units), values=v[None].repeat(len(i.rows), 0),
                    uniform=np.full((len(i.rows), units), 1e-4)) for i, v in zip(importances, values, strict=True)]  # fmt: skip
    chart = heatmaps(traces, wide, big, names=made.NAMES)
    cells = rows_with(chart, "run", "value")
    assert len(cells) == units * runs
    assert {c["output"] for c in cells} == {"the whole answer"}
    assert max(c["x"] for c in cells) < 300
    assert any("one row a column" in line for line in chart.to_dict()["title"]["subtitle"])
    assert len({(c["x"], c["y"]) for c in cells}) == len(cells)


def _units(units, n):
    start = np.arange(n)
    return replace(units, labels=tuple(f"w{i}" for i in range(n)), message=np.zeros(n), start=start, end=start + 1,
                   roles=("user",) * n, token=start, unit=start, weight=np.ones(n))  # fmt: skip
