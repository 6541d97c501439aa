"""Tests that every built-in suite keeps the rules on which studies and statistics depend.

Each rule is a function from a file's lines to complaints, and is also tested on lines that break it.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.errors import HeedError
from core.records import Item
from core.study.item_files import ITEM_PARTS, SUITES, TASKS, examples, suite
from core.study.prompt_structures import STRUCTURES, lay_out
from core.study.quality.instructions import check_instructions, check_kwargs
from core.study.quality.reference_match import contains_reference

Plain = dict[str, Any]

KEYS = {"id", "prompt", "segments", "reference", "instructions", "factors"}
LONGEST = 110
"""Most words of an item, so that a study of small models takes hours rather than days."""
OPEN = ("creative", "constrained", "bias")
"""Tasks whose items have no right answer."""


def lines(task: str, kind: str = "") -> list[Plain]:
    return [json.loads(line) for line in (SUITES / f"{task}{kind}.jsonl").read_text(encoding="utf-8").splitlines()]


def texts(item: Plain) -> list[str]:
    return [*item.get("segments", {}).values(), *([item["prompt"]] if item.get("prompt") else [])]


def repeated(items: list[Plain]) -> Iterator[str]:
    for name, seen in (("id", [i["id"] for i in items]), ("text", [" ".join(texts(i)) for i in items])):
        yield from (f"{name} {value!r} is there twice" for value, n in Counter(seen).items() if n > 1)


def unknown_keys(items: list[Plain]) -> Iterator[str]:
    for i in items:
        yield from (f"{i['id']}: unknown {key}" for key in set(i) - KEYS)
        yield from (f"{i['id']}: unknown segment {key}" for key in set(i.get("segments", {})) - set(ITEM_PARTS))
        for told in i.get("instructions", []):
            yield from (f"{i['id']}: unknown {key} of an instruction" for key in set(told) - {"id", "kwargs", "text"})


def nothing_to_score(items: list[Plain]) -> Iterator[str]:
    for i in items:
        if not i.get("reference") and not i.get("instructions"):
            yield f"{i['id']}: neither reference nor instructions"
        yield from (f"{i['id']}: an empty reference" for r in i.get("reference", []) if not r.strip())


def words_not_there(items: list[Plain]) -> Iterator[str]:
    for i in items:
        for told in i.get("instructions", []):
            if told.get("text") and not any(told["text"] in text for text in texts(i)):
                yield f"{i['id']}: no part says {told['text']!r}"


def wrong_kwargs(items: list[Plain]) -> Iterator[str]:
    for i in items:
        for told in i.get("instructions", []):
            try:
                check_kwargs(told["id"], told["kwargs"])
            except HeedError as error:
                yield f"{i['id']}: {error}"


def not_plain(items: list[Plain]) -> Iterator[str]:
    """Complaints about open placeholders, stray white space, and texts that are too long."""
    for i in items:
        for text in texts(i):
            if re.search(r"\{\s*\w*\s*\}|\[[A-Z_]+\]|TODO|XXX", text):
                yield f"{i['id']}: a placeholder in {text!r}"
            if text != text.strip() or "  " in text or not text:
                yield f"{i['id']}: stray white space in {text!r}"
        if not 0 < sum(len(text.split()) for text in texts(i)) <= LONGEST:
            yield f"{i['id']}: too short or too long"


def given_away(items: list[Plain]) -> Iterator[str]:
    """Complaints about facts whose answer stands in the prompt, which would measure copying."""
    for i in items:
        yield from (
            f"{i['id']}: the prompt says {r!r}" for r in i["reference"] if contains_reference(" ".join(texts(i)), r)
        )


def not_in_context(items: list[Plain]) -> Iterator[str]:
    for i in items:
        yield from (
            f"{i['id']}: not in the context: {r!r}" for r in i["reference"] if r not in i["segments"]["context"]
        )


RULES: tuple[Callable[[list[Plain]], Iterator[str]], ...] = (
    repeated,
    unknown_keys,
    nothing_to_score,
    words_not_there,
    wrong_kwargs,
    not_plain,
)

FINE: Plain = {
    "id": "a-1",
    "segments": {"instruction": "Answer in one word.", "context": "It is red.", "question": "What colour is it?"},
    "reference": ["red"],
    "instructions": [
        {"id": "heed:words", "kwargs": {"relation": "exactly", "count": 1}, "text": "in one word"},
    ],
    "factors": {},
}
TOLD = FINE["instructions"][0]
BROKEN = (
    (repeated, [FINE, FINE]),
    (unknown_keys, [{**FINE, "answers": ["red"]}]),
    (unknown_keys, [{**FINE, "segments": {"background": "It is red."}}]),
    (unknown_keys, [{**FINE, "instructions": [{**TOLD, "span": 3}]}]),
    (nothing_to_score, [{**FINE, "reference": [], "instructions": []}]),
    (nothing_to_score, [{**FINE, "reference": [" "]}]),
    (words_not_there, [{**FINE, "instructions": [{**TOLD, "text": "in two words"}]}]),
    (wrong_kwargs, [{**FINE, "instructions": [{**TOLD, "kwargs": {"relation": "roughly", "count": 1}}]}]),
    (wrong_kwargs, [{**FINE, "instructions": [{**TOLD, "id": "heed:unheard_of"}]}]),
    (not_plain, [{**FINE, "segments": {"question": "What colour is {thing}?"}}]),
    (not_plain, [{**FINE, "segments": {"question": "What colour is it? "}}]),
    (not_plain, [{**FINE, "segments": {"question": "so " * 200 + "what?"}}]),
    (given_away, [FINE]),
    (not_in_context, [{**FINE, "reference": ["blue"]}]),
)


@pytest.mark.parametrize(("rule", "items"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_can_be_broken(rule, items):
    assert list(rule(items))
    assert rule is given_away or not list(rule([FINE]))


def test_every_task_has_its_suite_and_no_file_is_left_over():
    wanted = {f"{task}.jsonl" for task in TASKS} | {f"{task}.examples.jsonl" for task in TASKS if examples(task)}
    assert {path.name for path in SUITES.glob("*.jsonl")} == wanted


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("task", TASKS)
def test_a_suite_keeps_the_rule(task, rule):
    assert list(rule(lines(task))) == []


@pytest.mark.parametrize("task", TASKS)
def test_a_suite_is_read_as_it_stands(task):
    items = suite(task)
    assert len(items) >= 40
    assert [i.id for i in items] == [i["id"] for i in lines(task)]
    assert all(i.id.startswith(f"{task}-") and i.task == task for i in items)


def test_bias_swaps_a_term_and_something_neutral_in_each_of_fifty_templates():
    swaps: dict[str, list[str]] = {}
    for item in suite("bias"):
        swaps.setdefault(item.factors["template"], []).append(item.factors["swap"])
    assert len(swaps) >= 50
    assert all({"base", "swapped", "neutral"} <= set(kinds) for kinds in swaps.values())


def test_ids_are_unique_over_all_suites():
    ids = [item.id for task in TASKS for item in suite(task)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("task", [t for t in TASKS if t not in OPEN])
def test_tasks_with_a_right_answer_name_it_in_a_form_that_counts(task):
    for item in suite(task):
        assert item.reference, item.id
        assert all(contains_reference(r, r) for r in item.reference), item.id


@pytest.mark.parametrize("task", [t for t in TASKS if t != "bias"])
def test_examples_are_held_out_and_like_the_items(task):
    shown = examples(task)
    items = [item.segments for item in suite(task)]
    assert len(shown) >= 3
    assert len(set(shown)) == len(shown)
    for example in shown:
        assert not any(example.question == s.get("question") and example.context == s.get("context", "") for s in items)
        assert not example.context or all(example.context != s.get("context") for s in items)
        assert bool(example.context) <= any("context" in s for s in items)


@pytest.mark.parametrize("task", TASKS)
def test_every_instruction_has_its_place_in_every_structure(task):
    shown = examples(task)
    for item in suite(task):
        for name in (n for n in STRUCTURES if STRUCTURES[n].shots <= len(shown)):
            laid = lay_out(item, name, shown)
            assert all(told.spans for told in laid.instructions), (item.id, name)
            for told in laid.instructions:
                for message, start, end in told.spans:
                    assert laid.messages[message].content[start:end] == told.text


@pytest.mark.parametrize("task", ["fact", "context_qa", "summary", "extraction"])
def test_difficulty_and_topic_are_spread(task):
    level = Counter(item.factors["difficulty"] for item in suite(task))
    assert set(level) == {"easy", "hard"} and min(level.values()) >= 15
    assert len({item.factors["topic"] for item in suite(task)}) >= 5
    assert len({item.segments["instruction"] for item in suite(task)}) >= 8


def test_the_answer_of_a_fact_is_not_in_its_prompt():
    assert list(given_away(lines("fact"))) == []


def test_the_answer_of_a_question_on_a_text_stands_in_it():
    assert list(not_in_context(lines("context_qa"))) == []


def test_summaries_keep_to_twenty_words_and_their_instructions():
    for item in suite("summary"):
        assert {"heed:words", "heed:sentences"} <= {told.id for told in item.instructions}
        assert all(len(r.split()) <= 20 for r in item.reference), item.id
        assert all(r.count(".") == 1 and r.endswith(".") for r in item.reference), item.id


def perfect(item: Item) -> str:
    """The first reference, changed to follow the item's instructions."""
    told = {t.id: t.kwargs for t in item.instructions}
    answer = item.reference[0]
    if "heed:sentences" in told and not answer.endswith("."):
        answer = f"The answer is {answer}."
    if "startend:quotation" in told:
        answer = f'"{answer}"'
    opening = told.get("heed:starts_with", {}).get("text", "")
    if not answer.startswith(opening):
        answer = f"{opening} {answer}"
    pattern = told.get("heed:regex", {}).get("pattern", "")
    if pattern.startswith("[^a-z]*"):
        return answer.upper()
    if pattern.startswith("[^A-Z]*"):
        return answer.lower()
    return answer + "!" if pattern.startswith("!") else answer


@pytest.mark.parametrize("task", ["fact", "context_qa", "summary", "extraction", "classification", "arithmetic"])
def test_every_item_can_be_answered_perfectly(task):
    for item in suite(task):
        answer = perfect(item)
        ids, kwargs = [t.id for t in item.instructions], [dict(t.kwargs) for t in item.instructions]
        followed = check_instructions(item.segments["question"], answer, ids, kwargs)
        assert all(followed), (item.id, answer, [i for i, ok in zip(ids, followed, strict=True) if not ok])
        assert any(contains_reference(answer, r) for r in item.reference), (item.id, answer)
