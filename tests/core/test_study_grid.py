"""Tests of grids: prompts from lines and files, the study underneath, words and their probabilities, agreement, CSV."""

import csv
import io
import math

import numpy as np
import pytest

from core.errors import PromptError
from core.study import Study, list_studies
from core.study.grid import (
    MOST_ANSWERS,
    fields_of_grid,
    grid_estimate,
    grid_plan,
    open_grid,
    own_start,
    pasted_items,
    pasted_text,
    table_items,
)
from core.study.grid_answers import (
    GRID_COLUMNS,
    grid_csv,
    read_grid,
    sample_agreement,
    token_places,
    word_probabilities,
)
from core.study.plan import Plan
from tests.core import study_tiny
from tests.pages import grid_made_up

SKY = "Answer in one word: What color is the sky?"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    return tmp_path


def prompts(items):
    return [(item.prompt, item.reference) for item in items]


def test_lines_are_prompts_and_a_tab_brings_the_right_answer():
    found = pasted_items(f"{SKY}\tblue\t azure \r\n\n   \nWhy?\t\n")
    assert prompts(found) == [(SKY, ("blue", "azure")), ("Why?", ())]
    assert [i.id for i in found] == ["item-001", "item-002"]
    assert [i.id for i in found[0].instructions] == ["heed:words"] and not found[1].instructions
    assert pasted_items(" \n\t\n") == ()


def test_paragraphs_are_prompts_of_several_lines():
    found = pasted_items("One\ntwo\n \t\n\nThree\n", several_lines=True)
    assert prompts(found) == [("One\ntwo", ()), ("Three", ())]


@pytest.mark.parametrize(
    ("text", "several"), [("One\nTwo\tright\tor this", False), ("One\ntwo\n\nThree", True), ("One", False)]
)
def test_the_box_is_filled_with_what_makes_the_same_prompts(text, several):
    items = pasted_items(text, several)
    assert pasted_text(items) == (text, several) and pasted_items(*pasted_text(items)) == items


def test_a_csv_brings_references_system_messages_and_names():
    found = table_items("name,prompt,answer\nsky,What color is the sky?,blue\n,Why?,\n")
    assert [(i.id, i.prompt, i.reference, i.answer) for i in found.items] == [
        ("sky", "What color is the sky?", ("blue",), None),
        ("item-002", "Why?", (), None),
    ]
    found = table_items("prompt;system;expected\nWhat color is the sky?;Answer in one word.;blue\n").items
    assert dict(found[0].segments) == {"instruction": "Answer in one word.", "question": "What color is the sky?"}
    assert [i.id for i in found[0].instructions] == ["heed:words"], "a system message asks as well"
    plan = grid_plan(found, ("m",))
    assert plan.structures == ("system_message",) and pasted_text(found) == ("", False)
    parts = table_items("context,question\nThe sky is red.,What color is it?\n").items
    assert prompts(parts) == [("The sky is red.\n\nWhat color is it?", ())]
    read = table_items("prompt,reference\nOne,1,2\nTwo,2\n")
    assert len(read.items) == 1 and read.errors[0].startswith("Line 2:")
    with pytest.raises(PromptError, match="call it prompt"):
        table_items("a,b\n1,2\n")


def test_the_plan_is_a_small_study_and_says_what_cannot_be_asked():
    items = pasted_items(f"{SKY}\nWhy?")
    plan = grid_plan(items, ("a", "b"), 3)
    assert (plan.seeds, plan.temperature, plan.effects, plan.structures) == ((0, 1, 2), 0.7, False, ("plain",))
    assert grid_plan(items, ("a",)).temperature == 0 and grid_estimate(plan) == (12, None)
    assert plan.name == SKY and len(own_start(pasted_items("word " * 40)[0])) <= 60
    mixed = table_items("prompt,system\nOne,Be kind.\nTwo,\n").items
    for bad, models, told in (
        ((), ("a",), "no prompt yet"),
        (items, (), "No model"),
        (items * MOST_ANSWERS, ("a",), "more than one table shows"),
        (mixed, ("a",), "1 of 2 prompts have a system message"),
    ):
        with pytest.raises(PromptError, match=told) as error:
            grid_plan(bad, models)
        assert not {"study", "plan"} & set(str(error.value).lower().split())


def test_a_grid_is_found_again_and_marked_and_an_older_study_of_the_same_plan_is_not():
    items = pasted_items(SKY)
    ident = open_grid(grid_plan(items, ("m",)))
    assert open_grid(grid_plan(items, ("m",))) == ident and [k.grid for k in list_studies()] == [True]
    assert fields_of_grid(ident) == {"text": SKY, "lines": False, "models": ["m"], "samples": 1, "tokens": 64}
    other = grid_plan(items, ("n",))
    Study(Plan.from_json(other.to_json())).db.execute("UPDATE cells SET state = 'done'")
    assert {k.id: k.grid for k in list_studies()} == {ident: True, open_grid(other): False}


def test_a_words_probability_is_the_product_of_its_tokens():
    from core.study.digest import make_digest
    from tests.pages import made_up

    trace = made_up.run(answer="The sky is vibrant.")
    found = make_digest(trace, ("mean-attention",))
    words = word_probabilities(found)
    assert "".join(w.gap + w.text for w in words) == found.answer == "The sky is vibrant."
    texts = [found.texts[found.prompt_length + s] for s in found.answer_steps]
    logprobs = dict(zip([t.strip() for t in texts], found.logprobs[found.answer_steps], strict=True))
    by_word = {w.text: w.probability for w in words}
    assert by_word["sky"] == pytest.approx(math.exp(logprobs["sky"]), rel=1e-5)
    total = float(np.sum(found.logprobs[found.answer_steps], dtype=np.float64))
    assert math.prod(by_word.values()) == pytest.approx(math.exp(total), rel=1e-4), "each token counts in one word"
    object.__setattr__(found, "answer", "Something else")
    assert word_probabilities(found) == ()


def test_tokens_are_found_in_the_answer_also_where_they_are_parts_of_characters():
    places = token_places(("Hi", " �", "�", " there", "�", "�", "\n"), "Hi 😀 there東\n")
    assert places == [(0, 2), (2, 5), (2, 5), (5, 10), (10, 11), (10, 11), (11, 12)]
    assert token_places(("a", " �", "�"), "a 東") == [(0, 1), (1, 3), (1, 3)]
    assert token_places(("a", "b"), "a b") == [(0, 1), (2, 3)] and token_places((), "") == []
    assert token_places(("a", "c"), "a b c") is None and token_places(("a",), "a b") is None
    assert token_places(("a", "b"), "a") is None


def test_samples_agree_by_the_words_that_they_share():
    assert sample_agreement(("Blue.", "Blue. ", "blue")) == (2, 1.0)
    different, shared = sample_agreement(("red blue", "red green", "pink"))
    assert different == 3 and shared == pytest.approx((0.5 + 0 + 0) / 3)
    assert sample_agreement(("one",))[0] == 1 and math.isnan(sample_agreement(("one",))[1])


def test_a_grid_is_read_with_verdicts_and_places_that_wait():
    items = pasted_items(f"{SKY}\tblue\nSay something.\nDo not use commas. Say it.")
    ident = grid_made_up.grid(items, answers=("It is blue, yes.",), done=3)
    study = Study(ident)
    found = read_grid(study)
    first, second, third = (found.answers[item.id, found.models[0]][0] for item in items)
    assert [(v.kind, v.passed, v.text) for v in first.verdicts] == [
        ("correct", True, "correct"),
        ("followed", False, "instruction not followed"),
    ]
    assert second.verdicts == () and second.state == "done" and second.tokens == 6
    assert [v.passed for v in third.verdicts] == [False]
    study.db.execute("UPDATE cells SET state = 'waiting' WHERE item = 'item-002'")
    assert read_grid(study).answers["item-002", found.models[0]][0].state == "waiting"
    study.close()


def test_the_table_downloads_with_formulas_disarmed():
    items = pasted_items("=1+1\tblue\nWhy?")
    ident = grid_made_up.grid(items, samples=2, answers=("It is blue.", "It is red."))
    text = grid_csv(ident)
    rows = list(csv.DictReader(io.StringIO("".join(x for x in text.splitlines(True) if not x.startswith("#")))))
    assert tuple(rows[0]) == GRID_COLUMNS and len(rows) == 4
    asked = [r for r in rows if r["prompt"] == "'=1+1"]
    assert sorted((float(r["correct"]), r["answer"]) for r in asked) == [(0.0, "It is red."), (1.0, "It is blue.")]
    assert {r["different_answers"] for r in asked} == {"2"} and all(r["correct"] == "" for r in rows if r not in asked)
    assert all(float(r["mean_logprob"]) <= 0 and r["run"] for r in rows)


@pytest.mark.slow
def test_a_real_grid_stops_and_goes_on(tmp_path):
    model = study_tiny.model(tmp_path)
    study = Study(open_grid(grid_plan(pasted_items("One\nTwo\nThree"), (model,), 2, 3)))
    study.run(1, cancelled=lambda: study.status().done >= 2)
    before = {c for some in read_grid(study).answers.values() for c in some if c.state == "done"}
    assert len(before) >= 2
    assert study.run(1).over and before <= {c for some in read_grid(study).answers.values() for c in some}
    grid = read_grid(study)
    assert all(len(some) == 2 and all(one.state == "done" for one in some) for some in grid.answers.values())
    assert all("".join(w.gap + w.text for w in one.words).strip() == one.answer.strip() or not one.words
               for some in grid.answers.values() for one in some)  # fmt: skip
    study.close()
