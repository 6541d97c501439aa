"""Tests that words which are keywords of Vega are drawn like any other: no chart puts a label into an expression."""

import html
import json
import re
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from core.charts.agreement_dots import agreement_chart
from core.charts.aligned_heatmaps import heatmap_by_run
from core.charts.answer_effect_bars import effect_bars
from core.charts.attention_vs_effect_plot import attention_vs_effect_chart
from core.charts.axis_labels import AxisLabels, with_labels
from core.charts.cross_score_matrix import cross_score_matrix_chart
from core.charts.effect_heatmap import effect_heatmap
from core.charts.interval_rows import interval_rows_chart
from core.charts.next_token_bars import next_token_chart
from core.charts.raster_heatmap import raster_heatmap_chart
from core.charts.share_by_step import share_by_step_chart, step_bars_chart
from core.charts.stability_charts import interval_chart, spread_heatmap
from core.charts.study_correlations import correlation_grid_chart
from core.charts.study_cut_off import cut_off_chart
from core.charts.study_scatter import scatter_chart
from core.charts.token_heatmap import heatmap
from core.charts.word_differences import difference_chart, gained_lost_chart
from core.records import Aligned, Importance, NextTokens, Probe, Units
from tests.core import charts_made_up, comparisons_made_up
from tests.core.study_made_up import runs_table
from tests.core.test_charts_stability_charts import made as stability

pytestmark = pytest.mark.slow

RESERVED = (
    # keywords of Vega's expression parser, then names and functions of its expressions
    "if in do var for new try let this else case void with enum while break catch throw const yield class super return "
    "typeof delete switch export import public static default finally extends package private function continue "
    "debugger interface protected instanceof implements null true false undefined NaN Infinity E PI LN2 SQRT1_2 "
    "datum event item parent view group xy x y width height padding autosize background data scale domain range "
    "invert indata now random format isValid isNumber toNumber signal index length slice indexof"
).split()
SIGNS = ('"', "'", "\\", "\\u0041", '"]', "datum.x", "datum['value']", "${x}", "{{x}}", "<b>", "&amp;", "%", "//", "/*")
HARD = ("if", "datum.x", "this", '"', "'", "\\", "${x}", "null")
WORDS = tuple(RESERVED) + SIGNS


def units(words, first=0):
    n = len(words)
    return Units("word", words, np.zeros(n), np.arange(n), np.arange(n), ("user",) * n, np.arange(n) + first,
                 np.arange(n), np.ones(n))  # fmt: skip


def importance(words):
    n = len(words)
    values = np.random.default_rng(0).dirichlet(np.ones(n), n)
    return Importance("a" * 64, "mean-attention", values, units(words), units(words, n), "share", True, np.zeros(n),
                      np.full((n, n), 1 / n), model="A model")  # fmt: skip


def comparison(words):
    n = len(words)
    values = np.stack([np.linspace(0, 0.1, n), np.linspace(0.1, 0, n)])
    full = {"values": values, "uniform": np.full((2, n), 0.05), "alone": np.full((2, n), np.nan)}
    return comparisons_made_up.comparison(
        units=Aligned(words, (words, words), np.tile(np.arange(n), (2, 1))),
        status=np.full((2, n), "matched"),
        pieces=np.ones((2, n)),
        unaligned=np.zeros(2),
        **full,
    )


def moving(words):
    made = stability(units=len(words), rows=len(words))
    return replace(made, units=words, rows=words)


def lost(words):
    trace = charts_made_up.trace("What", " ".join("w" * len(words)))
    tokens = trace.tokens
    answer = " ".join(words)
    ends = np.cumsum([len(w) + 1 for w in words]) - 1
    starts = ends - [len(w) for w in words]
    first = trace.prompt_length
    tokens = replace(
        tokens,
        sources=(tokens.sources[0], replace(tokens.sources[1], text=answer)),
        start=[*tokens.start[:first], *starts],
        end=[*tokens.end[:first], *ends],
    )
    trace = replace(trace, tokens=tokens)
    logprobs = np.linspace(-3, -0.1, trace.steps)[None]
    probe = Probe(trace.id, units(words[:1]), np.ones((1, 1), bool), logprobs, np.full(trace.steps, -1.0), "mask")
    return effect_bars(probe, 0, trace)


def correlated(words):
    n = len(words)
    table = {"feature": words, "metric": "m", "rho": np.linspace(-1, 1, n), "low": -1.0, "high": 1.0, "q": 0.5, "n": 9}
    return correlation_grid_chart(pd.DataFrame(table), features=words, metrics=["m"], names={}, title=words[0])


def rows(words):
    table = {"group": words[0], "row": words, "series": words[0], "value": 0.1, "low": 0.0, "high": 0.2}
    return interval_rows_chart(pd.DataFrame(table), title="T", axis="x")


def cells(words):
    table = {"task": words, "structure": words[0], "control": False, "model": words[0], "runs": 4, "failed": 0}
    return cut_off_chart(pd.DataFrame(table | {"truncated_share": 0.2, "reason": ""}))


def points(words):
    table = runs_table(2)
    table["task"] = [words[i % len(words)] for i in range(len(table))]
    return scatter_chart(table, "lookback", "correct", names={}, binary=True)


def losses(words):
    n = len(words)
    probe = Probe(
        "a" * 64, units(words), np.eye(n, dtype=bool), np.full((n, n), -1.5), np.full(n, -1.0), "mask", answer=words
    )
    return effect_heatmap(probe, width=3000)


def following(words):
    logprobs = np.log(np.full((2, len(words)), 1 / len(words)))
    found = NextTokens(("a", "b"), np.arange(len(words)), words, logprobs, words[0])
    return next_token_chart(found, words[:2], most=len(words))


def crossed(words):
    n = len(words)
    odds = np.ones((n, n))
    return cross_score_matrix_chart(odds, odds, odds, words, words)


def by_step(words):
    shares = {words[0]: np.full(len(words), 0.1), words[1]: np.full(len(words), 0.2)}
    return share_by_step_chart(range(len(words)), words, shares, shares)


CHARTS = {
    "heatmap": lambda words: heatmap(importance(words), width=3000),
    "overview": lambda words: raster_heatmap_chart(importance(words), width=3000, height=900),
    "share by step": by_step,
    "bars of a step": lambda words: step_bars_chart(words[0], dict.fromkeys(words, 0.1), dict.fromkeys(words, 0.1)),
    "difference": lambda words: difference_chart(comparison(words), 0, 1, words[:2], width=3000),
    "gained and lost": lambda words: gained_lost_chart(comparison(words), 0, 1, words[:2], most=200),
    "agreement": lambda words: agreement_chart(comparison(words), words[:2]),
    "row by run": lambda words: heatmap_by_run(comparison(words), names=words[:2], width=3000),
    "losses": losses,
    "next words": following,
    "cross": crossed,
    "spread": lambda words: spread_heatmap(moving(words), width=3000),
    "intervals": lambda words: interval_chart(moving(words), width=3000, first=words[0]),
    "effects": lost,
    "read and helped": lambda words: attention_vs_effect_chart(np.ones(len(words)), np.ones(len(words)), words),
    "correlations": correlated,
    "rows": rows,
    "cells": cells,
    "scatter": points,
}
NAMED = ("heatmap", "overview", "bars of a step", "difference", "gained and lost", "row by run", "losses", "next words", "cross", "spread",
         "rows", "cells", "correlations")  # fmt: skip
"""Charts that label an axis with every word, however many."""


def drawn(chart):
    """The texts in the SVG of a chart."""
    return drawn_spec(chart.to_dict())


def drawn_spec(spec):
    svg = vl_convert.vegalite_to_svg(spec)
    return [html.unescape(t) for t in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


@pytest.mark.parametrize("name", CHARTS)
def test_reserved_words_do_not_blank_a_chart(name):
    """Where each pair of words has a cell with a text, a few words at a time: pairs are not the point."""
    few = 10 if name == "cross" else len(WORDS)
    for first in range(0, 60 if name == "cross" else len(WORDS), few):
        assert drawn(CHARTS[name](WORDS[first : first + few])), "nothing was drawn"


@pytest.mark.parametrize("name", CHARTS)
def test_if_alone_does_not_blank_a_chart(name):
    """A chart with a single label is a case of its own: Vega folds constants."""
    assert drawn(CHARTS[name](("if", "if")))


@pytest.mark.parametrize("name", NAMED)
def test_every_label_is_drawn_as_it_is(name):
    made = drawn(CHARTS[name](HARD))
    for word in HARD:
        assert any(text == word or text.endswith(f": {word}") or text.startswith(f"{word} ·") for text in made), word


def test_no_label_stands_in_an_expression():
    for make in CHARTS.values():
        secret = ("SECRETif", "SECRETdatum")
        for text in expressions(make(secret).to_dict()):
            assert "SECRET" not in text, text


def expressions(spec, key=""):
    """Every text of a spec that Vega parses as an expression."""
    if isinstance(spec, dict):
        for name, value in spec.items():
            yield from expressions(value, name)
    elif isinstance(spec, list):
        for value in spec:
            yield from expressions(value, key)
    elif isinstance(spec, str) and key in ("labelExpr", "expr", "test", "filter", "calculate", "signal"):
        yield spec


def test_labels_are_looked_up_by_place():
    labels = AxisLabels(["a", "b"])
    assert labels.at("1").endswith("[1]") and labels.param.value == ["a", "b"]
    assert AxisLabels([]).texts == [""]
    assert AxisLabels(["a", "b"]).param.name == labels.param.name != AxisLabels(["b", "a"]).param.name


def test_names_of_labels_survive_what_streamlit_renames():
    """Streamlit renumbers Altair's generated names, but not inside expressions."""
    from streamlit.elements.vega_charts import _stabilize_vega_json_spec

    spec = json.dumps(CHARTS["heatmap"](("if", "sky")).to_dict())
    assert drawn_spec(json.loads(_stabilize_vega_json_spec(spec)))


def test_labels_go_to_the_chart_that_is_returned_as_altair_would_add_them():
    marks = [alt.Chart(alt.InlineData(values=[{"a": 0}])).mark_point().encode(x=alt.X("a:Q")) for _ in range(2)]
    layered, labels = alt.layer(*marks), AxisLabels(("if", "datum"))
    before = layered.to_dict()
    assert with_labels(layered, labels).to_dict() == layered.add_params(labels.param).to_dict() != before
    assert layered.to_dict() == before
