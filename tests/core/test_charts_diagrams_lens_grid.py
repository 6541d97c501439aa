"""The lens's grid and the decision strip say what the record says, and what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
import vl_convert

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.layer_token_map import LENS_CAVEATS
from core.charts.diagrams.lens_grid import STRIP_BAR, WHITE_FROM, decision_strip, lens_grid
from core.errors import MethodError
from tests.core.components_made_up import run_with_components, with_ranks, without_lens
from tests.core.diagrams_read import cells, datasets, drawn_width, texts
from tests.core.test_charts_axis_labels import HARD, drawn
from tests.core.traces_made_up import trace

RUN = run_with_components()
SHAPE = RUN.components.final_ranks.shape
LONG = run_with_components("sea sky " * 90)


def svg_of(chart):
    return vl_convert.vegalite_to_svg(chart.to_dict())


def test_every_cell_has_the_first_choice_and_its_probability():
    parts, found = RUN.components, cells(lens_grid(RUN))
    assert len(found) == (RUN.model.layers + 1) * RUN.steps
    for (r, c), one in found.items():
        assert (
            one["first"] == parts.lens_texts[r][c] and one["place"] == parts.final_ranks[r, c] and one["step"] == c + 1
        )
        assert one["probability"] == pytest.approx(np.exp(parts.lens_logprobs[r, c]), rel=1e-5)
        assert one["own_probability"] == pytest.approx(np.exp(parts.final_logprobs[r, c]), rel=1e-5)
        assert one["entropy"] == pytest.approx(parts.lens_entropy[r, c], rel=1e-5)
        assert (one["ink"] == "#ffffff") == (one["probability"] >= WHITE_FROM)
    part = cells(lens_grid(RUN, steps=slice(1, 3)))
    assert {one["step"] for one in part.values()} == {2, 3} and part[1, 0]["first"] == parts.lens_texts[1][1]


def test_the_last_layer_is_on_top():
    labels = next(d for d in datasets(lens_grid(RUN)) if d and d[0].get("text") == "emb")
    assert [one["text"] for one in labels] == ["emb", "0", "1"] and labels[0]["y"] > labels[1]["y"] > labels[2]["y"]


def test_cells_of_the_answers_tokens_are_framed():
    ranks = np.full(SHAPE, 9)
    none = svg_of(lens_grid(with_ranks(RUN, ranks))).count('stroke-width="1"')
    ranks[-1, :3] = ranks[0, 1] = 1
    assert svg_of(lens_grid(with_ranks(RUN, ranks))).count('stroke-width="1"') - none == 4


def settled():
    ranks = np.full(SHAPE, 9)
    ranks[-1] = 1
    ranks[:, 0] = 1  # from the embedding on
    ranks[:, 1] = [1, 9, 1]  # lost again in between
    ranks[-1, 2] = 4  # never
    return with_ranks(RUN, ranks)


def test_a_token_is_settled_where_it_stays_the_first_choice():
    run = settled()
    assert run.components.first_choice[:4].tolist() == [0, 2, 3, 2]
    bars = [one for _, one in sorted(cells(decision_strip(run)).items(), key=lambda pair: pair[1]["c"])]
    assert [b["said"] for b in bars[:4]] == ["the embedding", "layer 1", "never", "layer 1"]
    assert [b["never"] for b in bars[:4]] == [False, False, True, False] and [b["r"] for b in bars[:4]] == [0, 2, 2, 2]


def test_bars_are_full_or_hollow_and_counted():
    chart = decision_strip(settled())
    svg = svg_of(chart)
    assert svg.count(f'fill="{STRIP_BAR}"') == RUN.steps - 1 and svg.count(f'stroke="{STRIP_BAR}"') == 1
    said = " ".join(texts(chart))
    assert (
        f"half of the settled tokens are so after layer 1; {RUN.steps - 2} of {RUN.steps} only after the last" in said
    )
    assert "hollow: never" in said and "hollow" not in " ".join(texts(decision_strip(RUN)))
    never = decision_strip(with_ranks(RUN, np.full(SHAPE, 9)))
    assert "no token is the first choice of the last layer" in texts(never)


@pytest.mark.parametrize("figure", [lens_grid, decision_strip])
@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_is_as_wide_as_asked_and_says_what_does_not_fit(figure, width):
    chart = figure(LONG, width=width, steps=slice(20, None))
    found = cells(chart)
    columns = 1 + max(one["c"] for one in found.values())
    assert drawn_width(chart) == pytest.approx(width, abs=1) and min(one["step"] for one in found.values()) == 21
    fits = f"{columns} of {LONG.steps - 20} steps: more do not fit this width" in " ".join(texts(chart))
    assert fits == (columns < LONG.steps - 20)
    assert fits or figure is decision_strip


@pytest.mark.parametrize("figure", [lens_grid, decision_strip])
def test_the_caption_says_which_lens_and_what_it_is_not(figure):
    assert "nostalgebraist 2020" in (said := " ".join(texts(figure(RUN)))) and "Belrose et al. 2023" in said
    tuned = replace(RUN, components=replace(RUN.components, lens="tuned lens smollm2"))
    said = " ".join(texts(figure(tuned)))
    assert LENS_CAVEATS["tuned lens"] in said and "tuned lens smollm2" in said


@pytest.mark.parametrize("figure", [lens_grid, decision_strip])
def test_a_run_without_components_or_lens_is_told(figure):
    with pytest.raises(MethodError, match="keep='components'"):
        figure(trace("The sky."))
    with pytest.raises(MethodError, match="there is no lens"):
        figure(without_lens(RUN))


def test_words_that_mean_something_to_vega_are_drawn_as_they_are():
    run = run_with_components(" ".join(["w"] * 20))
    tokens = run.tokens
    texts_ = tokens.texts[: run.prompt_length] + HARD + tokens.texts[run.prompt_length + len(HARD) :]
    row = (*HARD, *tokens.texts[run.prompt_length + len(HARD) :])
    parts = replace(run.components, lens_texts=(row,) * len(run.components.lens_texts))
    run = replace(run, tokens=replace(tokens, texts=texts_), components=parts)
    shown = drawn(lens_grid(run, steps=slice(0, len(HARD)), select="picked"))
    assert all(shown.count(word) == 1 + len(run.components.lens_texts) or "." in word for word in HARD), shown
    assert set(HARD) <= set(drawn(decision_strip(run, select="picked")))
