"""Tests of the HTML report: self-contained, escaped, outcomes first, every number with its interval."""

import re
from dataclasses import replace

import numpy as np
import pytest

from core.charts.interval_rows import value_with_interval
from core.study.findings.figures import (
    correlation_figure,
    cut_off_figure,
    forest_figure,
    prediction_figure,
    scatter_figure,
    structure_figure,
)
from core.study.findings.overview import overview_table
from core.study.findings.report import report_html
from core.study.findings.source import OpenedStudy, check_runs
from tests.core.findings_made_up import made
from tests.core.study_made_up import MODELS, STRUCTURES, runs_table, small

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def opened():
    runs = check_runs(small(runs_table(4, tasks=("fact", "constrained"))))
    runs.loc[runs["task"] == "fact", "task"] = EVIL
    return OpenedStudy("x", f"A {EVIL} study", runs)


@pytest.fixture(scope="module")
def found(opened):
    return made(opened.runs)


@pytest.fixture(scope="module")
def page(opened):
    """The report of one model: others make its figures longer, not more."""
    runs = opened.runs[opened.runs["model"] == MODELS[0]]
    few = replace(opened, runs=runs.reset_index(drop=True))
    return report_html(few, made(few.runs), filters="model: a", pair=("between", "lookback", "followed"))


def test_it_needs_nothing_from_outside(page):
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page) and "@import" not in page and "url(" not in page
    assert "default-src 'none'" in page and "<script" not in page
    assert "light-dark(" in page and "color-scheme" in page


def test_what_strangers_wrote_stays_text(page):
    assert EVIL not in page and "&lt;script&gt;" in page


def test_sections_stand_in_their_order(page):
    heads = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert heads[0].startswith("What was asked") and heads[1].startswith("Quality") and heads[-1] == "Methods"
    assert any("between prompts" in h for h in heads) and any("within a prompt" in h for h in heads)
    assert "Only these runs: model: a" in page and "The second one." in page


def test_every_figure_says_what_it_shows(page):
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert len(figures) > 8
    for figure in figures:
        assert (
            re.search(r'alt="[^"]{30,}"', figure) and len(re.search(r"<figcaption>(.*)</figcaption>", figure)[1]) > 60
        )


def test_quality_stands_beside_attention_and_knock_outs(found):
    tables = {"Quality": (found.quality, "followed"), "Attention": (found.attention, "share_instruction")}
    table = overview_table(tables | {"Knock-out": (found.effects, "masked_instruction")})
    assert len(table) == 3 * len(STRUCTURES) * 2 and list(table.columns[:3]) == ["Task", "Structure", "Model"]
    assert table["Task"].iloc[0] == "All tasks"
    first = found.quality[(found.quality["value"] == "followed") & (found.quality["task"] == "all tasks")].iloc[0]
    assert value_with_interval(first["mean"], first["mean_low"], first["mean_high"], True) in set(table.iloc[:, 3])
    assert "baseline" in set(table["Quality: change"])


def test_figures_have_words_and_numbers(opened, found):
    runs = opened.runs[~opened.runs["control"]]
    pair = next(iter(found.forests))
    drawn = [
        structure_figure(found.quality, "followed", "net", "instruction_first"),
        cut_off_figure(found.cells),
        correlation_figure(found.correlations_within, ["lookback"], ["followed"], "within"),
        forest_figure(found.forests[pair], *pair, "between"),
        scatter_figure(runs, "lookback", "followed", estimand="within"),
        prediction_figure(found.prediction, "followed", "leave one task out", True),
    ]
    assert len({d.key for d in drawn}) == len(drawn)
    for d in drawn:
        assert d.shows.endswith(".") and d.not_said.endswith(".") and len(d.table) and d.chart.to_dict()["layer"]


def test_a_study_without_anything_has_a_report():
    runs = check_runs(small(runs_table(2, tasks=("constrained",), models=("m",), structures=("plain",), control=False)))
    runs["masked_instruction"] = np.nan
    found = made(runs, prediction=False)
    assert "Methods" in report_html(OpenedStudy("x", "Small", runs), found)
