"""Layer x token figures show the record's own numbers, are as wide as asked, and say what they fold and leave out."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.layer_token_map import (
    COMPONENT_VIEWS,
    LENS_CAVEATS,
    attention_spread,
    component_map,
    layer_token_map,
    lens_caveat,
    value_span,
)
from core.charts.text_labels import visible_label
from core.errors import MethodError
from tests.core.components_made_up import run_with_components, without_lens
from tests.core.diagrams_read import cells, datasets, drawn_width, texts
from tests.core.test_charts_axis_labels import HARD, drawn, expressions
from tests.core.traces_made_up import trace

VALUES = np.random.default_rng(0).uniform(1, 1e4, (3, 5)).astype(np.float32)


@pytest.mark.parametrize("name", COMPONENT_VIEWS)
def test_every_view_draws_every_number_with_its_sentence(name):
    run = run_with_components()
    view = COMPONENT_VIEWS[name]
    expected = np.asarray(view.values(run, run.components), float)
    chart = component_map(run, name)
    found = cells(chart)
    assert {p: one["value"] for p, one in found.items()} == pytest.approx(dict(np.ndenumerate(expected)), rel=1e-5)
    said = texts(chart)
    assert "emb" in said if view.embedding else "emb" not in said
    whole = " ".join(said)
    assert view.about in whole and run.model.caption in whole
    assert ("nostalgebraist 2020" in whole) == view.lens == ("lens" in view.about.lower())


def test_a_part_of_the_columns_keeps_the_numbers_of_its_tokens():
    run = run_with_components()
    found = cells(component_map(run, "residual", columns=slice(3, 6)))
    assert [found[0, c]["places"] for c in range(3)] == ["4", "5", "6"]
    assert found[1, 2]["value"] == pytest.approx(run.components.residual[1, 5], rel=1e-5)


def test_a_line_stands_where_the_answer_begins():
    run = run_with_components()
    assert "answer" in texts(component_map(run, "residual"))
    assert "answer" not in texts(component_map(run, "residual", columns=slice(0, run.prompt_length)))
    assert "answer" not in texts(component_map(run, "lens_entropy"))
    first = run.prompt_length - 2
    for start, before in ((0, run.prompt_length), (first, 2)):
        chart = component_map(run, "residual", columns=slice(start, None))
        labels = next(d for d in datasets(chart) if d and d[0].get("text") == visible_label(run.tokens.texts[start]))
        mark = next(d for d in datasets(chart) if d and d[0].get("text") == "answer")[0]
        step = labels[1]["x"] - labels[0]["x"]
        assert mark["x"] - 2 == pytest.approx(labels[0]["x"] + (before - 0.5) * step)


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
@pytest.mark.parametrize("tokens", [1, 40, 900])
def test_is_as_wide_as_asked(width, tokens):
    chart = layer_token_map(np.ones((4, tokens)), ["w"] * tokens, unit="norm of something", width=width)
    assert drawn_width(chart) == pytest.approx(width, abs=1)


def test_of_many_tokens_a_column_is_the_strongest_of_several():
    values = np.arange(2 * 1000, dtype=float).reshape(2, 1000)
    values[:, -1] = np.nan
    names = [str(i) for i in range(1000)]
    chart = layer_token_map(values, names, width=ONE_COLUMN)
    found = cells(chart)
    fold = found[0, 1]["place"] - 1
    assert fold > 1 and found[0, 0]["value"] == fold - 1 and found[1, 2]["value"] == 1000 + 3 * fold - 1
    assert found[0, 0]["token"].split() == names[:fold] and found[0, 0]["places"] == f"1 to {fold}"
    assert f"each column is the highest of {fold} tokens in a row" in texts(chart)
    assert found[0, max(c for _, c in found)]["value"] == 998, "what is unknown is not the highest"
    ranks = layer_token_map(values, names, width=ONE_COLUMN, small_is_strong=True)
    assert cells(ranks)[0, 1]["value"] == fold and any("lowest of" in t for t in texts(ranks))


def fill(chart):
    fills = [layer["encoding"].get("fill", {}) for layer in chart.to_dict()["layer"]]
    return next(one for one in fills if "scale" in one)


def test_scales_are_those_that_the_values_need():
    low, high = float(VALUES.min()), float(VALUES.max())
    assert fill(layer_token_map(VALUES, "abcde"))["scale"]["domain"] == pytest.approx([0, high], rel=1e-5)
    log = fill(layer_token_map(VALUES, "abcde", logarithmic=True, small_is_strong=True))["scale"]
    assert log["type"] == "log" and log["reverse"] and log["domain"] == pytest.approx([low, high], rel=1e-5)
    assert value_span(np.array([[0.0, 1e-9, 10.0]]), True) == pytest.approx((1e-4, 10)), "five powers of ten"
    assert value_span(np.array([[0.0, np.nan]]), True) == (0.1, 1.0) and value_span(np.zeros((1, 1)), False) == (0, 1)
    assert value_span(np.array([[-2.0, -1.0]]), False) == (-2, -1) and value_span(np.full((1, 2), np.nan), False) == (
        0,
        1,
    )


def test_words_that_mean_something_to_vega_are_drawn_as_they_are():
    chart = layer_token_map(np.ones((2, len(HARD))), HARD, ["if", "datum"], select="picked")
    shown = drawn(chart)
    assert set(HARD) <= set(shown) and {"if", "datum"} <= set(shown)
    assert not [text for text in expressions(chart.to_dict()) if "'if'" in text]


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


def test_a_window_is_what_a_layer_can_read():
    run = trace("The sky is blue.")
    part = attention_spread(replace(run, model=replace(run.model, windows=(None, 4))))
    whole = attention_spread(run)
    assert np.array_equal(whole[0], part[0]) and (part[1] > whole[1]).all()


def test_a_tuned_lens_has_a_caveat_of_its_own():
    run = run_with_components()
    tuned = replace(run.components, lens="tuned lens smollm2.safetensors")
    assert lens_caveat(tuned) == LENS_CAVEATS["tuned lens"] != lens_caveat(run.components)
    assert "trained to guess" in " ".join(texts(component_map(replace(run, components=tuned), "final_rank")))


def test_what_is_not_there_is_said():
    with pytest.raises(MethodError, match="keep='components'"):
        component_map(trace("The sky."), "residual")
    run = run_with_components()
    unknown = replace(run, components=replace(run.components, mlp_write=run.components.mlp_write * np.nan))
    with pytest.raises(MethodError, match="built in another way"):
        component_map(unknown, "mlp_write")
    slow = replace(
        run.components, key_norms=run.components.key_norms[:, :0], value_norms=run.components.key_norms[:, :0]
    )
    with pytest.raises(MethodError, match="built in another way"):
        component_map(replace(run, components=slow), "key_norms")
    for name in (name for name, view in COMPONENT_VIEWS.items() if view.lens):
        with pytest.raises(MethodError, match="there is no lens"):
            component_map(without_lens(run), name)
    with pytest.raises(MethodError, match="no view 'x'"):
        component_map(run, "x")
    with pytest.raises(ValueError, match="expected"):
        layer_token_map(np.ones((2, 3)), ["a", "b"])
    with pytest.raises(ValueError, match=r"shape \(0, 0\)"):
        layer_token_map(np.ones((0, 0)), [])
