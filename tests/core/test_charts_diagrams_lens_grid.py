"""The lens's grid and the decision strip say what the record says."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.diagrams.lens_grid import decision_strip, lens_grid
from core.errors import MethodError
from tests.core.components_made_up import run_with_components
from tests.core.drawn_records import records_with
from tests.core.traces_made_up import trace


def test_every_cell_has_the_first_choice_and_its_probability():
    run = run_with_components()
    cells = records_with(lens_grid(run), "first")
    assert len(cells) == (run.model.layers + 1) * run.steps
    for cell in cells:
        assert cell["first"] == run.components.lens_texts[cell["y"]][cell["x"]]
        assert cell["probability"] == pytest.approx(
            np.exp(run.components.lens_logprobs[cell["y"], cell["x"]]), rel=1e-5
        )
    part = records_with(lens_grid(run, steps=slice(1, 3)), "first")
    assert {c["step"] for c in part} == {2, 3}


def test_a_token_is_settled_where_it_stays_the_first_choice():
    run = run_with_components()
    ranks = np.full(run.components.final_ranks.shape, 9)
    ranks[-1] = 1
    ranks[:, 0] = 1  # from the embedding on
    ranks[:, 1] = [1, 9, 1]  # lost again in between
    ranks[-1, 2] = 4  # never
    run = replace(run, components=replace(run.components, final_ranks=ranks))
    assert run.components.first_choice[:4].tolist() == [0, 2, 3, 2]
    bars = records_with(decision_strip(run), "said")
    assert [b["said"] for b in bars[:4]] == ["the embedding", "layer 1", "never", "layer 1"]
    assert [b["never"] for b in bars[:4]] == [False, False, True, False]


def test_a_run_without_components_is_told_how_to_get_them():
    with pytest.raises(MethodError, match="keep='components'"):
        lens_grid(trace("The sky."))
