"""Tests figure and tables of the section What reading does: words, numbers with intervals, nothing that is not allowed."""

import pytest

from core.study.findings.analysis import compute_findings
from core.study.findings.methods_section import methods_section_text
from core.study.findings.report import report_html
from core.study.findings.source import OpenedStudy, check_runs
from core.study.findings.steering_views import (
    STEERING_HEADING,
    dose_figure,
    moves_table,
    price_table,
    steering_table,
    steering_tasks,
)
from core.study.findings.structure_effects import ALL_TASKS
from tests.core.findings_made_up import made
from tests.core.steered_made_up import FACTORS, MODEL, steered_instructions, steered_table
from tests.core.study_made_up import runs_table, small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened():
    runs = check_runs(steered_table(60, seed=2))
    return OpenedStudy("x", "X", runs, steered_instructions(runs))


@pytest.fixture(scope="module")
def found(opened):
    return compute_findings(opened.every_run, opened.instructions, slow=False, permutations=99, resamples=19)


def test_all_tasks_come_first(found):
    assert steering_tasks(found.doses)[0] == ALL_TASKS and len(steering_tasks(found.doses)) == 3


def test_the_figure_says_what_it_shows_and_what_not(found):
    drawn = dose_figure(found.doses, "followed", ALL_TASKS, MODEL)
    assert drawn.title == "All instructions followed" and "comparable length" in drawn.not_said
    assert len(drawn.table) == 1 + 2 * len(FACTORS) + 2
    spoken = drawn.chart.to_dict()["description"]
    assert "Instruction x 8: " in spoken and "Question (control) x 1/4: " in spoken
    words = dose_figure(found.doses, "words", "fact", MODEL).chart.to_dict()
    assert "Words (words)" in str(words["layer"][1]["encoding"]["y"]["title"])


def test_the_table_has_changes_in_words_and_the_claim(found):
    table = steering_table(found.doses, found.comparable, "followed", ALL_TASKS, MODEL)
    assert table["What"].iloc[0] == "Plain run" and table["Change"].iloc[0] == ""
    row = table[(table["What"] == "Instruction") & (table["Factor"] == "× 8")].iloc[0]
    assert row["Change"].startswith("+") and row["Change"].endswith("points") and row["Against the control"]
    assert row["Verdict"] == "higher, effect of reading" and row["Pairs"].endswith("of 120")
    control = table[table["What"] == "Question (control)"]
    assert set(control["Verdict"]) == {"no change found"} and set(control["Against the control"]) == {""}
    rival = table[table["Factor"] == ""]
    assert len(rival) == 2 and rival["Pairs"].str.endswith("of 120").all()


def test_price_and_moves_in_words(found):
    price = price_table(found.doses, ALL_TASKS, MODEL)
    assert len(price) == 2 * len(FACTORS) + 2 and "Log-probability of the answer under the plain model" in price
    row = price[(price["What"] == "Instruction") & (price["Factor"] == "× 8")].iloc[0]
    assert row["Log-probability of the answer under the plain model"].startswith("● −0.")
    moves = moves_table(found.moves, "followed", MODEL)
    assert set(moves["Feature"]) == {"Share on instruction", "Share on question"}
    up = moves[(moves["Feature"] == "Share on instruction") & (moves["Factor"] == "× 8")].iloc[0]
    assert up["Moves (changed)"] == "with it" and "no correlation found" in up["Goes with (observed)"]
    assert up["Called"] == "effect of reading"


def test_the_report_has_the_section_only_where_there_are_steered_runs(opened, found):
    page = report_html(opened, found)
    assert f">{STEERING_HEADING}</h2>" in page and "The price, against the plain run" in page
    assert "called an effect of reading" in page and "Steered runs" in page
    plain = small(runs_table(2, tasks=("constrained",), models=("m",), structures=("plain",), control=False))
    assert STEERING_HEADING not in report_html(OpenedStudy("y", "Y", plain), made(plain, prediction=False))


def test_the_methods_name_parts_factors_and_rules(found):
    text = methods_section_text(None, found)
    assert "the instruction × 1/4, × 2, × 4, × 8; the question × 1/4" in text
    assert "the question (control)" in text and "factor of 1.25" in text and "But for steering" in text
