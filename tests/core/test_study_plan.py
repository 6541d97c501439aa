"""Tests of plans: id, cells, refusals, and estimates of time and disk."""

import json

import pytest

from core.errors import PromptError
from core.records import ModelKey
from core.study.item_files import Example
from core.study.plan import Plan, baseline_structure
from core.study.plan_cells import cell_request, lay_out_item, plan_cells_of, skipped_text, sorted_cells
from core.study.plan_estimate import estimate_plan
from core.study.plan_store import freeze_plan
from tests.core.study_tiny import item, plan


def test_a_plan_survives_json_with_its_id():
    made = plan("m", templates={"t": "{prompt} !"}, structures=("plain", "custom:t"), primary=[("sink", "correct")])
    again = Plan.from_json(made.to_json())
    assert again == made and again.id == made.id


def test_the_id_is_of_what_is_run_and_named_in_advance():
    made = plan("m")
    assert plan("m", name="Other").id == made.id
    others = [
        plan("n"),
        plan("m", 4),
        plan("m", primary=(("sink", "correct"),)),
        plan("m", controls=("instruction_first",)),
        plan("m", max_new_tokens=4),
        plan("m", temperature=0.5, seeds=(1,)),
    ]
    assert len({made.id, *(o.id for o in others)}) == 7
    assert plan("m", seeds=(1, 2, 3)).id == made.id, "greedy answers have one seed"


def test_a_cell_has_the_study_s_date_only_where_the_model_s_template_prints_one():
    made = plan("m")
    first = made.all_items()[0]
    form = lay_out_item(made, first, made.structures[0])
    dates = {
        name: cell_request(made, first, form, ModelKey(name, "f"), 0, "2026-11-21").date
        for name in ("llama-3.2-1b-instruct", "smollm2-135m-instruct")
    }
    assert dates == {"llama-3.2-1b-instruct": "2026-11-21", "smollm2-135m-instruct": ""}


def test_cells_are_items_times_structures_models_and_seeds():
    made = plan("m", 4, models=("m", "n"), controls=("instruction_last",), control_items=1)
    found = plan_cells_of(made)
    assert len(found) == 2 * (4 * 2 + 2 * 1), "one controlled item of each of two tasks"
    assert len({c.id for c in found}) == len(found) and [c.number for c in found] == list(range(len(found)))
    assert [c.model for c in found] == ["m"] * 10 + ["n"] * 10
    assert [c.structure for c in found if c.control] == ["instruction_last"] * 4
    assert len(plan_cells_of(plan("m", 4, temperature=1.0, seeds=(1, 2, 3)))) == 4 * 2 * 3
    given = plan("m", items=(item(answer="Red"),), temperature=1.0, seeds=(1, 2))
    assert [c.seed for c in plan_cells_of(given)] == [0, 0], "a given answer is read once"


def test_a_batch_holds_prompts_alike():
    long = item(2, id="long", segments={"instruction": "Use one word.", "question": "What is this? " * 50})
    found = [c for c in plan_cells_of(plan("m", items=(long, item(0), item(1), item(4)))) if c.task == "colour"]
    assert [c.item for c in found[-2:]] == ["long", "long"]


def test_a_plan_that_grows_keeps_its_cells():
    small = plan("m", 3)
    grown = plan("m", 5, models=("m", "n"), structures=("instruction_first", "instruction_last", "role_play"))
    assert {c.id for c in plan_cells_of(small)} < {c.id for c in plan_cells_of(grown)}
    assert {c.id for c in plan_cells_of(freeze_plan(grown))} == {c.id for c in plan_cells_of(grown)}
    reworded = plan("m", items=(item(0), item(1, segments={"instruction": "Be brief.", "question": "What?"}), item(2)))
    assert len({c.id for c in plan_cells_of(small)} & {c.id for c in plan_cells_of(reworded)}) == 4
    rereferenced = plan("m", items=tuple(item(n, reference=("blue",), factors={}) for n in range(3)))
    assert {c.id for c in plan_cells_of(small)} == {c.id for c in plan_cells_of(rereferenced)}, (
        "facts about an item are not asked"
    )


def test_what_cannot_be_laid_out_is_counted_with_its_reason():
    whole = item(9, id="whole", segments={}, prompt="Say hello.")
    made = plan("m", items=(item(0), whole), structures=("instruction_first", "plain"), controls=("plain",))
    found, skipped = sorted_cells(made)
    assert {(c.item, c.structure, c.control) for c in found} == {
        ("item-0", "instruction_first", False),
        ("item-0", "plain", True),
        ("whole", "plain", False),
    }
    assert skipped_text(skipped) == {
        "it makes the same prompt as instruction_first": 1,
        "it needs the parts of the prompt, and the item has only a whole prompt": 1,
        "a position control needs an instruction whose place a filler can take": 1,
    }


def test_suites_and_limits():
    made = Plan("s", ("m",), suites=("fact", "context_qa"), per_task=3)
    assert [i.task for i in made.all_items()] == ["fact"] * 3 + ["context_qa"] * 3
    assert len(freeze_plan(made).items) == 6 and freeze_plan(made).examples["fact"] == made.examples_of("fact")
    assert "difficulty" in made.factors and baseline_structure(made) == "instruction_first"
    assert baseline_structure(plan("m", structures=("role_play",))) == "role_play"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": " "}, "no name"),
        ({"models": ()}, "no model"),
        ({"structures": ()}, "no structure"),
        ({"items": ()}, "no items"),
        ({"suites": ("facts",)}, "no suite 'facts'"),
        ({"structures": ("custom:x",)}, "no structure 'custom:x'"),
        ({"controls": ("plain",)}, "plain has a position control"),
        ({"primary": [("a", "b")] * 4}, "4 pairs"),
        ({"temperature": 11}, "Temperature"),
        ({"temperature": "hot"}, "Temperature"),
        ({"temperature": 1.0, "seeds": ()}, "no seed"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"per_task": 0}, "per_task"),
        ({"templates": {"x": "{foo}"}}, "unknown placeholder"),
        ({"items": (item(0), item(0))}, "Two items have the id 'item-0'"),
        ({"items": (item(0, id=""),)}, "no id"),
        ({"examples": {"colour": (Example("x", "", "What is thing 0?"),)}}, "held out"),
    ],
)
def test_a_plan_that_cannot_be_run_says_why(more, said):
    with pytest.raises(PromptError, match=said):
        plan("m", **more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "JSON object"),
        ('{"nam": "x"}', "unknown field 'nam'"),
        ('{"name": "x", "models": 3}', "models must be"),
        ('{"name": "x", "models": ["m"], "items": 3}', "wrong type"),
        ('{"name": "x", "models": ["m"], "items": {"file": "none.csv"}}', "upload that file"),
    ],
)
def test_a_file_that_is_no_plan_says_why(text, said):
    with pytest.raises(PromptError, match=said):
        Plan.from_json(text)


def test_items_of_a_plan_may_lie_in_a_file_beside_it(tmp_path):
    (tmp_path / "items.csv").write_text("frage\nWer?\nWas?\n")
    told = {"file": "items.csv", "mapping": {"question": "frage"}}
    made = Plan.from_json(json.dumps({"name": "x", "models": ["m"], "structures": ["plain"], "items": told}), tmp_path)
    assert [i.segments for i in made.items] == [{"question": "Wer?"}, {"question": "Was?"}]
    (tmp_path / "items.csv").write_text("frage\nWer?\n,x,y\n")
    with pytest.raises(PromptError, match=r"items.csv has 1 faulty lines; the first: Line 3"):
        Plan.from_json(json.dumps({"name": "x", "models": ["m"], "items": told}), tmp_path)


def test_an_estimate_says_what_it_takes(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    made = plan("m", 40, controls=("instruction_first",), control_items=5)
    found = estimate_plan(made, seconds_per_run=2.0)
    assert (found.items, found.runs, found.controls, found.seconds) == (40, 90, 10, 180.0)
    assert found.tasks == {"colour": 20, "animal": 20} and found.disk == 90 * 45_000
    assert 0.38 < found.smallest_rho < found.smallest_rho_task < 0.65
    assert estimate_plan(made).seconds is None, "nothing was measured yet"
