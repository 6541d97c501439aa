"""Tests of what is said of one run: its prompt, reference, rules and why it failed."""

from pathlib import Path

import pandas as pd
import pytest

from core.study.findings.run_details import CONTROL, NO_PROMPT, run_details
from core.study.findings.source import open_folder, open_table

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example-study"


@pytest.fixture(scope="module")
def opened():
    return open_folder(EXAMPLE, "example")


def row(opened, **wanted):
    runs = opened.runs
    for name, value in wanted.items():
        runs = runs[runs[name] == value]
    return runs.iloc[0].to_dict()


def test_a_wrong_answer_says_what_was_right_and_which_rule_it_broke(opened):
    run = row(opened, prompt_id="arithmetic-002", structure="instruction_first", model="smollm2-135m-instruct")
    found = run_details(opened, run)
    assert found.prompt == "Solve the problem. Answer with only the number.\n\nWhat is 9 - 6?"
    assert found.reference == ("3",)
    assert found.rules == (("One number and nothing else: “Answer with only the number.”", "not followed"),)
    assert found.reasons == ("Not correct: “3” does not stand in the answer.",)


def test_what_the_token_limit_left_open_says_so(opened):
    run = row(opened, prompt_id="arithmetic-003", truncated=True, control=False)
    assert "Correct or not is undefined: the answer was stopped by the token limit." in run_details(opened, run).reasons


def test_every_no_of_the_table_has_its_reason(opened):
    """The verdicts said of each rule are those in the table, and each outcome of 0 is explained."""
    runs = opened.runs[::17]
    for run in runs.to_dict("records"):
        found = run_details(opened, run)
        if run["correct"] == 0:
            assert found.reasons[0].startswith("Not correct")
        if run["followed"] == 0:
            assert any(verdict.startswith("not followed") for _, verdict in found.rules)
        if run["followed"] == 1:
            assert all(verdict == "followed" for _, verdict in found.rules) and found.rules
        assert (found.prompt == CONTROL) == run["control"]


def test_a_table_without_its_plan_says_that_the_prompt_is_not_there():
    table = pd.DataFrame({"prompt_id": ["a"], "task": ["t"], "structure": ["s"], "model": ["m"], "followed": [0.0]})
    opened = open_table("own.csv", table.to_csv(index=False).encode())
    found = run_details(opened, opened.runs.iloc[0].to_dict())
    assert found.prompt == NO_PROMPT and found.rules == () and found.reference == ()
    assert found.reasons == ("Not all instructions followed; which ones is not in this table.",)
