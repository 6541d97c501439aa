"""Layer x token figures show the record's own numbers."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.diagrams.layer_token_map import COMPONENT_VIEWS, attention_spread, component_map, layer_token_map
from core.errors import MethodError
from tests.core.components_made_up import run_with_components
from tests.core.drawn_records import records_with
from tests.core.traces_made_up import trace


def values(chart):
    return records_with(chart, "value", "layer")


@pytest.mark.parametrize("name", COMPONENT_VIEWS)
def test_every_view_draws_every_number(name):
    run = run_with_components()
    view = COMPONENT_VIEWS[name]
    expected = np.asarray(view.values(run, run.components), float)
    found = values(component_map(run, name))
    assert len(found) == np.isfinite(expected).sum()
    top = len(expected) - 1
    for cell in found:
        assert cell["value"] == pytest.approx(expected[cell["y"], cell["x"]], rel=1e-5)
    assert {c["layer"] for c in found if c["y"] == 0} == {"embedding" if view.embedding else "0"}
    assert max(c["y"] for c in found) == top


def test_norms_of_heads_are_means_and_layers_without_attention_stay_empty():
    run = run_with_components()
    hybrid = replace(run.model, layers=3, attention_layers=(0, 2))
    parts = replace(
        run.components,
        **{n: np.ones((4, len(run.tokens) - 1)) for n in ("residual",)},
        **{n: np.ones((3, len(run.tokens) - 1)) for n in ("attention_write", "mlp_write")},
        **{
            n: np.ones((4, run.steps))
            for n in ("lens_ids", "lens_logprobs", "final_logprobs", "final_ranks", "lens_entropy")
        },
        lens_texts=(("a",) * run.steps,) * 4,
    )
    shown = COMPONENT_VIEWS["key_norms"].values(replace(run, model=hybrid, components=parts), parts)
    assert np.isnan(shown[1]).all() and np.allclose(shown[2], run.components.key_norms[1].mean(0))


def test_spread_is_one_where_everything_is_read_equally():
    run = trace("The sky is blue.")
    p, t, k = run.prompt_length, run.steps, len(run.tokens) - 1
    even = np.zeros((2, 2, t, k), np.float32)
    for step in range(t):
        even[..., step, : p + step] = 1 / (p + step)
    flat = trace("The sky is blue.", weights=even)
    assert np.allclose(attention_spread(flat), 1, atol=2e-3)
    assert (attention_spread(run) < 1).all()


def test_what_is_not_there_is_said():
    with pytest.raises(MethodError, match="keep='components'"):
        component_map(trace("The sky."), "residual")
    run = run_with_components()
    unknown = replace(run, components=replace(run.components, mlp_write=run.components.mlp_write * np.nan))
    with pytest.raises(MethodError, match="built in another way"):
        component_map(unknown, "mlp_write")
    with pytest.raises(ValueError, match="expected"):
        layer_token_map(np.ones((2, 3)), ["a", "b"])
