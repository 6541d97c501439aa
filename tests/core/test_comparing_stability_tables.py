"""Tests of the tables of a stability: hand-made shares come back, in percent for people, with every run and cell."""

import numpy as np
import pytest

from core.comparing.run_stability import measure_stability
from core.comparing.stability_tables import stable_cells, stable_words, titled_words
from core.importance import explain
from tests.pages import made_up


@pytest.fixture(scope="module")
def two():
    """The stability of one answer over two prompts."""
    runs = [made_up.run(), made_up.run("Which color has the sky?")]
    return measure_stability(runs, [explain(r, sink="separate", granularity="word") for r in runs])


def test_each_word_has_its_mean_and_every_run(two):
    facts, names, lines = stable_words(two, "edits of the prompt")
    assert facts["view"] == "stability over edits of the prompt" and facts["runs"] == list(two.trace_ids)
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    assert [r["word"] for r in rows] == list(two.units)
    for unit, row in enumerate(rows):
        np.testing.assert_equal([row[f"run_{t[:8]}"] for t in two.trace_ids], two.answer[:, unit])
        if np.isfinite(two.answer[:, unit]).all():
            assert row["mean"] == pytest.approx(two.answer[:, unit].mean())


def test_each_cell_is_one_line(two):
    _, names, lines = stable_cells(two, "edits of the prompt")
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    assert [(r["row"], r["column"]) for r in rows] == list(np.ndindex(len(two.rows), len(two.units)))
    for r in rows:
        assert (r["output"], r["input"]) == (two.rows[r["row"]], two.units[r["column"]])
        np.testing.assert_equal(r["mean"], two.mean[r["row"], r["column"]])


def test_people_see_percent_and_titles(two):
    table = titled_words(two, "Unedited")
    assert list(table.columns) == [
        *("Word", "Runs", "Mean", "95 % from", "to", "Spread", "Smallest", "Largest", "Unedited", "Uniform")
    ]
    np.testing.assert_allclose(table["Unedited"], 100 * two.answer[0])
    np.testing.assert_allclose(table["Mean"], 100 * two.table["mean"])
