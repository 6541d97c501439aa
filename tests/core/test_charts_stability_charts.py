"""Tests of the stability charts: numbers of the cells, labels, digits or dots, odd texts, exports."""

import json

import numpy as np
import pytest

from core.charts import picture_files
from core.charts.stability_charts import fits_as_spread, interval_chart, spread_heatmap
from core.comparing.run_stability import Stability

pytestmark = pytest.mark.slow

ODD = ("the", "the", "\u202eevil", "👩‍👩‍👧", "東京", "a\nb", "<b>", "x" * 90)


def made(rows=3, units=8, runs=12, interval=True, unit="share", seed=0):
    rng = np.random.default_rng(seed)
    answer = rng.random((runs, units)) / 20
    answer[2, 0] = np.nan
    mean, spread = rng.random((2, rows, units)) / 20
    if rows and units > 1:
        mean[0, 1] = spread[0, 1] = np.nan
    low, high = (answer.mean(0) - 0.001, answer.mean(0) + 0.001) if interval else np.full((2, units), np.nan)
    return Stability(
        trace_ids=tuple(f"{i:064x}" for i in range(runs)),
        model="A model · Q4",
        method="mean-attention",
        granularity="word",
        unit=unit,
        rows=tuple(f"answer {i}" for i in range(rows)),
        units=tuple(ODD[i % 8] for i in range(units)),
        column=np.arange(units),
        mean=mean,
        spread=spread,
        first=mean,
        runs=np.isfinite(answer).sum(0),
        answer=answer,
        uniform=np.full(units, 0.03),
        low=low,
        high=high,
        between=(),
    )


def records(chart):
    spec = chart.to_dict()
    held = spec.get("data") or spec["layer"][0]["data"]
    values = held["values"] if "values" in held else spec["datasets"][held["name"]]
    return json.loads(values) if isinstance(values, str) else values


def marks(chart):
    return [layer["mark"]["type"] for layer in chart.to_dict()["layer"]]


def test_every_cell_has_its_numbers():
    found = made()
    data = records(spread_heatmap(found))
    assert len(data) == found.mean.size - 1, "a cell that no run has stays empty"
    for d in data:
        assert d["value"] == pytest.approx(found.mean[d["y"], d["x"]], rel=1e-6)
        assert d["spread"] == pytest.approx(found.spread[d["y"], d["x"]], rel=1e-6)
        assert d["runs"] == found.runs[d["x"]]
    one = data[0]
    assert one["text"] == f"{100 * found.mean[0, 0]:.1f} ±{100 * found.spread[0, 0]:.1f}"


def test_digits_where_there_is_room_and_dots_where_not():
    assert marks(spread_heatmap(made())) == ["rect", "text"]
    assert marks(spread_heatmap(made(units=24))) == ["rect", "point"]
    assert marks(spread_heatmap(made(), inner="dot")) == ["rect", "point"]
    size = spread_heatmap(made(units=24)).to_dict()["layer"][1]["encoding"]["size"]
    assert size["scale"]["domain"][1] == pytest.approx(np.nanmax(made(units=24).spread), rel=1e-6)


def test_equal_words_stay_two_and_odd_texts_come_visible():
    chart = spread_heatmap(made()).to_dict()
    axis = chart["layer"][0]["encoding"]["x"]["axis"]
    words = next(p["value"] for p in chart["params"] if p["name"] in axis["labelExpr"])
    assert words.count("the") == 2 and axis["values"] == list(range(8))
    assert "\u202e" not in json.dumps(chart, ensure_ascii=False) and "x" * 60 not in json.dumps(chart)


def test_each_word_shows_runs_mean_interval_and_the_first_run():
    found = made()
    data = records(interval_chart(found, first="unedited prompt"))
    first = [d for d in data if d["what"] == "unedited prompt"]
    assert np.allclose([d["value"] for d in first], found.answer[0], rtol=1e-6)
    means = [d for d in data if d["what"] == "mean over runs"]
    assert np.allclose([d["value"] for d in means], np.nanmean(found.answer, axis=0), rtol=1e-6)
    kept = np.isfinite(found.low)
    assert [d["low"] is not None for d in means] == kept.tolist()
    assert len([d for d in data if d["what"] == "one run"]) == np.isfinite(found.answer).sum()
    assert "95 %" in str(interval_chart(found).to_dict()["title"])
    assert "no interval below 10 runs" in str(interval_chart(made(runs=4, interval=False)).to_dict()["title"])


@pytest.mark.parametrize("draw", [spread_heatmap, interval_chart])
@pytest.mark.parametrize(
    "found", [made(), made(1, 1), made(units=24, unit="score"), made(rows=0), made(2, 60, interval=False)]
)
def test_it_draws(draw, found):
    assert picture_files.svg(draw(found)).data


def test_a_large_matrix_does_not_fit():
    assert fits_as_spread(made()) and not fits_as_spread(made(100, 80))
    assert len(records(interval_chart(made(0, 400, runs=30)))) <= 2 * 400, (
        "single runs are left out where they are too many"
    )
