"""Tests the sentences on what reading does: sizes with intervals, the price, and no claim that is not allowed."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from core.study.findings.analysis import compute_findings
from core.study.findings.record import comparison_resamples
from core.study.findings.source import check_runs
from core.study.findings.steering_effects import moves_beside, steering_effects
from core.study.findings.steering_sentences import part_text, steering_sentences, times_text
from core.study.findings.structure_effects import ValueDescription
from core.study.quality.metrics import METRICS
from core.study.unsteered_runs import steered_only, unsteered
from tests.core.findings_made_up import made
from tests.core.steered_made_up import steered_instructions, steered_table
from tests.core.study_made_up import runs_table, small

pytestmark = pytest.mark.slow


FEW = 39


@pytest.fixture(scope="module")
def planted():
    runs = check_runs(steered_table(60, seed=2))
    return compute_findings(runs, steered_instructions(runs), slow=False, permutations=FEW, resamples=FEW)


def said(planted, **other):
    """The sentences on steered runs of another study, whose other findings are not computed."""
    runs = check_runs(steered_table(60, step=0.0, **other)).drop(columns=["share_instruction", "share_question"])
    about = {v: ValueDescription(METRICS[v].label, METRICS[v].unit, "outcome") for v in ("followed", "correct")}
    asked = unsteered(runs), steered_only(runs), steered_instructions(runs), about, "instruction_first"
    tables = steering_effects(*asked, resamples=comparison_resamples(FEW))
    moves = moves_beside(tables["doses"], planted.correlations_between)
    return "\n".join(steering_sentences(replace(planted, **tables, moves=moves)))


def test_factors_and_parts_in_words():
    assert [times_text(f) for f in (0.0, 0.25, 1, 2.0, 1.5)] == ["× 0", "× 1/4", "× 1", "× 2", "× 1.5"]
    assert part_text("check") == "the verified instructions" and part_text("question") == "the question"


def test_a_change_is_told_with_interval_price_and_what_remains(planted):
    told = planted.steering_sentences
    assert re.search(
        r"followed: \d+ % in the plain run \(95 % .*Turning the instruction up or down changed it:", told[0]
    )
    assert (
        re.search(r"× 8 \+\d+\.\d \(\+[\d.]+ to \+[\d.]+ points; q", told[0]) and "Each doubling changed it" in told[0]
    )
    assert re.search(
        r"Among answers of comparable length .*\d+ of 120 pairs; better in .* at equal length odds", told[1]
    )
    assert "Against the question turned by the same factor" in told[1]
    assert "Instructions that a one-word answer follows: × 1/4" in told[1]
    assert "a one-word answer does not follow: no change found at" in told[1]
    assert told[2].startswith("The instruction, called an effect of reading:") and "× 8" in told[2]
    text = "\n".join(told)
    assert "turning the question up or down: no change found at" in text and "another wording without steering" in text
    assert re.search(r"price of turning the instruction: log-probability .* × 8 −0\.\d+ \(−", text)
    assert "Changed on purpose" in text and told[-1].startswith("Intervals are 95 %")


def test_an_artefact_of_length_is_said_to_be_none(planted):
    text = said(planted, artefact=True, shorter=0.2, seed=5)
    assert "The instruction, not called an effect of reading: × 1/4" in text
    assert "no change was found among answers of comparable length" in text
    assert "called an effect of reading: ×" not in text.replace("not called an effect of reading: ×", "")
    assert re.search(r"price of turning the instruction: .*words × 1/4 \+", text)


def test_nothing_found_is_said_so(planted):
    text = said(planted, seed=4)
    assert "no change found at × 1/4" in text and "No trend found." in text and "effect of reading" not in text


def test_no_sentence_claims_a_cause_by_other_words(planted):
    text = "\n".join(planted.steering_sentences)
    assert not re.search(r"\b(because|causes?d?|due to|leads to|nan)\b", text, re.IGNORECASE)


def test_a_study_without_steered_runs_has_none():
    found = made(small(runs_table(3)))
    assert found.steering_sentences == () and found.doses.equals(pd.DataFrame())


def test_the_size_and_the_last_sentence_name_the_steered_runs(planted):
    assert "960 steered runs beside them." in planted.sentences[0] and "What reading does" in planted.sentences[-1]


def test_few_prompts_are_said_to_be_few():
    runs = check_runs(steered_table(8))
    found = compute_findings(runs, slow=False, permutations=9, resamples=9)
    text = "\n".join(steering_sentences(found))
    assert "too few prompts for a verdict at × 1/4" in text and "No trend" not in text
