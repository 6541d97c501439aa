"""Reads and writes items as JSON lines, and the built-in suites: per task a file of items and one of examples.

An item's JSON has the fields of ``Item``; an instruction in it is {"id", "kwargs", "text"}, where ``text`` is the exact
words that ask for it. Few-shot examples are read from their own file, so that no item can be its own example. To add a
suite: two files in suites/ and the task's name in TASKS. Guarded by tests/core/test_study_item_files.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import PromptError
from ..records import Instruction, Item
from ..text.special_tokens import check_surrogates
from .quality.own_columns import PASSED, SCORED

TASKS = (
    "fact",
    "context_qa",
    "summary",
    "extraction",
    "classification",
    "constrained",
    "arithmetic",
    "creative",
    "bias",
)
ITEM_PARTS = ("instruction", "context", "question")
"""The segments that an item may have, in reading order."""
SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Example:
    """A solved task to show before the question; never one of the items."""

    answer: str
    context: str = ""
    question: str = ""


def suite(task: str) -> list[Item]:
    """Returns the built-in items of one task. Raises PromptError for an unknown one."""
    return list(_suite(task))


def examples(task: str) -> tuple[Example, ...]:
    """Returns the held-out examples of a task; empty where there are none."""
    path = SUITES / f"{task}.examples.jsonl"
    if task not in TASKS or not path.exists():
        return ()
    return tuple(example_from(plain) for plain in _lines(path))


def example_from(plain: Any) -> Example:
    """Returns an Example. Raises PromptError for anything but texts under context, question and answer."""
    fields = ("context", "question", "answer")
    if not isinstance(plain, Mapping) or not all(isinstance(plain.get(f) or "", str) for f in fields):
        raise PromptError("An example needs texts under context, question and answer, and an answer at least.")
    if not (plain.get("answer") or "").strip():
        raise PromptError("An example has no answer: write the answer that the model should learn from.")
    return Example(plain["answer"], plain.get("context") or "", plain.get("question") or "")


def item_to(item: Item) -> dict[str, Any]:
    """Returns an item as plain JSON, without empty fields."""
    told = [{"id": i.id, "kwargs": dict(i.kwargs), "text": i.text} for i in item.instructions]
    plain: dict[str, Any] = {
        "id": item.id,
        "task": item.task,
        "prompt": item.prompt,
        "segments": dict(item.segments),
        "reference": list(item.reference),
        "instructions": told,
        "factors": dict(item.factors),
        "answer": item.answer,
        "rating": item.rating,
        "scores": dict(item.scores),
    }
    return {name: value for name, value in plain.items() if value not in ("", None, [], {})}


def item_from(plain: Any, task: str = "own") -> Item:
    """Returns the item of one JSON object. Raises PromptError that names what is missing or of the wrong type."""
    if not isinstance(plain, Mapping):
        raise PromptError(f"An item must be a JSON object, not {_short(plain)}.")
    check_halves(plain)
    segments = _texts(plain, "segments")
    unknown = sorted(set(segments) - set(ITEM_PARTS))
    if unknown:
        raise PromptError(f"There is no segment {unknown[0]!r}: an item has {', '.join(ITEM_PARTS)}.")
    segments = {name: segments[name] for name in ITEM_PARTS if segments.get(name, "").strip()}
    prompt = _text(plain, "prompt")
    if not prompt.strip() and not segments:
        raise PromptError("The item has no prompt: fill in prompt, or one of instruction, context and question.")
    return Item(
        id=_text(plain, "id"),
        task=_text(plain, "task") or task,
        prompt="" if segments else prompt,
        segments=segments,
        reference=_references(plain.get("reference")),
        instructions=_instructions(plain.get("instructions")),
        factors=_texts(plain, "factors"),
        answer=_text(plain, "answer") or None,
        rating=_rating(plain.get("rating")),
        scores=_scores(plain.get("scores")),
    )


def check_halves(plain: Any) -> None:
    """Raises PromptError where a text in a JSON value holds half a character (a lone surrogate): no file takes it."""
    try:
        check_surrogates(json.dumps(plain, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise PromptError(
            "A value is nested too deeply, or no JSON: write numbers, texts, lists and objects."
        ) from error


@cache
def _suite(task: str) -> tuple[Item, ...]:
    if task not in TASKS:
        raise PromptError(f"There is no suite {task!r}: the suites are {', '.join(TASKS)}.")
    path = SUITES / f"{task}.jsonl"
    return tuple(item_from(plain, task) for plain in _lines(path)) if path.exists() else ()


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _text(plain: Mapping[str, Any], name: str) -> str:
    value = plain.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and name in ("id", "answer"):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise PromptError(f"{name} must be text, not {_short(value)}.")
    return value or ""


def _texts(plain: Mapping[str, Any], name: str) -> dict[str, str]:
    value = plain.get(name) or {}
    if not isinstance(value, Mapping) or not all(isinstance(v, str | int | float) for v in value.values()):
        raise PromptError(f"{name} must be an object of texts, not {_short(value)}.")
    return {str(k): str(v) for k, v in value.items()}


def _references(value: Any) -> tuple[str, ...]:
    """Returns one reference or a list of them as a tuple of texts."""
    several = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if not all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in several):
        raise PromptError(f"reference must be a text or a list of texts, not {_short(value)}.")
    return tuple(str(v) for v in several if str(v).strip())


def _instructions(value: Any) -> tuple[Instruction, ...]:
    told = value or []
    if not isinstance(told, list):
        raise PromptError(f"instructions must be a list of objects with id and kwargs, not {_short(told)}.")
    found = []
    for one in told:
        one = {"id": one} if isinstance(one, str) else one
        if not isinstance(one, Mapping) or not isinstance(one.get("id"), str) or not one["id"]:
            raise PromptError(f"Each of the instructions needs an id such as punctuation:no_comma, not {_short(one)}.")
        kwargs = one.get("kwargs") or {}
        if not isinstance(kwargs, Mapping) or not isinstance(one.get("text") or "", str):
            raise PromptError(f"The kwargs of {one['id']} must be an object and its text a text.")
        kept = {str(k): v for k, v in kwargs.items() if v is not None}
        found.append(Instruction(one["id"], kept, text=one.get("text") or ""))
    return tuple(found)


def _rating(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f"rating must be a number, not {_short(value)}.") from error
    if number != number or number in (float("inf"), float("-inf")) or isinstance(value, bool):
        raise PromptError(f"rating must be a number, not {_short(value)}.")
    return number


def _scores(value: Any) -> dict[str, float]:
    """Returns the scores of an item, with the columns that they become."""
    told = value or {}
    if not isinstance(told, Mapping) or not all(str(k).startswith((PASSED, SCORED)) for k in told):
        raise PromptError(f"scores must be an object of {PASSED}NAME or {SCORED}NAME with numbers, not {_short(told)}.")
    found = {str(name): _rating(number) for name, number in told.items()}
    return {name: number for name, number in found.items() if number is not None}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
