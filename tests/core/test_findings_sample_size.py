"""Tests of a study's size: prompts, runs, controls, failures, and the sentence where prompts are too few."""

from core.study.findings.sample_size import count_sample
from tests.core.study_made_up import MODELS, runs_table


def numbers(count):
    return {label: value for label, value, _ in count.numbers}


def test_counts_of_a_study():
    found = count_sample(runs_table(20, failed=2))
    assert numbers(found) | {"Cut off": ""} == {
        "Prompts": "60",
        "Runs": "240",
        "Position controls": "240",
        "Tasks": "3",
        "Models": "2",
        "Cut off": "",
    }
    told = " ".join(found.sentences)
    assert "2 runs failed, most often: The model gave no answer." in told and "these two models" in told


def test_few_prompts_have_no_verdict_and_one_model_is_not_two():
    found = count_sample(runs_table(9, models=MODELS[:1], control=False, failed=0))
    told = " ".join(found.sentences)
    assert "With 27 prompts there is no verdict" in told and "two models" not in told and "failed" not in told
    assert "Position controls" not in numbers(found)
