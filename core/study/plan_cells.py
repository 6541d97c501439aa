"""Lists the cells of a plan in the order of work: one answer of one model to one laid-out item each.

A cell's id is a hash of its prompt and settings (the laid-out messages, not the plan), so that a plan that grows keeps
its cells, and an item whose wording was corrected is run again. Two structures that make the same prompt of an item are
one cell, that of the first. Guarded by tests/core/test_study_plan.py.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..models.model_key import template_prints_date
from ..records import Item, ModelKey, Request, Steering
from ..settings import versions
from .plan import Plan, baseline_structure
from .prompt_structures import LaidOutItem, lay_out, why_not_possible


@dataclass(frozen=True)
class Cell:
    """One answer to be generated or scored."""

    id: str
    number: int
    """Index in the order of work: by model, task, control and length, so that a batch holds similar prompts."""
    item: str
    task: str
    structure: str
    control: bool
    model: str
    seed: int
    steered: str = ""
    """The part that is read more or less; "" for a plain run."""
    factor: float = 1.0


@dataclass(frozen=True)
class Skipped:
    """A part of the plan that cannot be laid out, with the reason."""

    item: str
    structure: str
    control: bool
    why: str


def plan_cells_of(plan: Plan) -> list[Cell]:
    """Returns all cells of ``plan``, in the order of work."""
    return sorted_cells(plan)[0]


def sorted_cells(plan: Plan) -> tuple[list[Cell], list[Skipped]]:
    """Returns the cells of ``plan``, and what it leaves out."""
    asked, skipped = _asked(plan)
    found: list[Cell] = []
    for model in plan.models:
        for item, form, laid in sorted(asked, key=lambda a: (a[0].task, a[1].control, _length(a[2]))):
            for seed in plan.seeds if item.answer is None else (0,):
                ident = _id(plan, item, form, model, seed, laid)
                cell = Cell(ident, len(found), item.id, item.task, form.structure, form.control, model, seed)
                found.append(replace(cell, steered=form.steered, factor=form.factor))
    return found, skipped


def skipped_text(skipped: list[Skipped]) -> dict[str, int]:
    """Returns {reason: number of prompts} of what a plan leaves out, the most frequent first."""
    return dict(Counter(s.why for s in skipped).most_common())


def lay_out_item(plan: Plan, item: Item, name: str, filler: str | None = None) -> LaidOutItem:
    """Lays out an item with the plan's templates and held-out examples."""
    return lay_out(item, name, plan.examples_of(item.task), filler, plan.templates)


def fitting_item(plan: Plan, items: tuple[Item, ...], name: str, control: bool, start: int) -> Item | None:
    """Returns the next item that fits the structure; of another task than its neighbours where there are several.

    ``start`` counts on from item to item; None where none fits.
    """
    tasks = list(dict.fromkeys(i.task for i in items))
    turn = start % len(tasks)
    ordered = [i for t in tasks[turn:] + tasks[:turn] for i in _turned([i for i in items if i.task == t], start)]
    for item in ordered:
        fits = not why_not_possible(item, name, plan.templates, plan.examples_of(item.task))
        if fits and (not control or "instruction" in item.segments):
            return item
    return None


def _turned(items: list[Item], start: int) -> list[Item]:
    at = start % len(items) if items else 0
    return items[at:] + items[:at]


def cell_request(plan: Plan, item: Item, form: LaidOutItem, key: ModelKey, seed: int, date: str) -> Request:
    """Returns the Request of one laid-out item; ``date`` stands in it only where the model's template prints one."""
    return Request(
        model=key,
        messages=form.messages,
        segments=form.segments,
        answer=item.answer,
        max_new_tokens=plan.max_new_tokens,
        temperature=plan.temperature,
        top_p=plan.top_p,
        seed=seed,
        date=date if template_prints_date(key.name) else "",
        versions=versions(),
    )


@dataclass(frozen=True)
class _Form:
    """One way in which an item is asked."""

    structure: str
    control: bool = False
    steered: str = ""
    factor: float = 1.0


def _asked(plan: Plan) -> tuple[list[tuple[Item, _Form, LaidOutItem]], list[Skipped]]:
    found: list[tuple[Item, _Form, LaidOutItem]] = []
    skipped: list[Skipped] = []
    controlled: Counter[str] = Counter()
    for item in plan.all_items():
        seen: dict[object, str] = {}
        wants = plan.control_items is None or controlled[item.task] < plan.control_items
        controlled[item.task] += wants
        for one in _forms(plan, wants):
            name, control = one.structure, one.control
            why = why_not_possible(item, name, plan.templates, plan.examples_of(item.task))
            if not why and control and "instruction" not in item.segments:
                why = "a position control needs an instruction whose place a filler can take"
            form = None if why else lay_out_item(plan, item, name)
            if form is not None and one.steered:
                why = _why_not_steered(item, one, form)
            elif form is not None and (first := seen.setdefault((control, form.messages), name)) != name:
                why = f"it makes the same prompt as {first}"
            if form is None or why:
                skipped.append(Skipped(item.id, name, control, why))
            else:
                found.append((item, one, form))
    return found, skipped


def _why_not_steered(item: Item, one: _Form, form: LaidOutItem) -> str:
    """Returns why the prompt cannot be steered so, "" where it can."""
    if item.answer is not None:
        return "its answer is given, and steering is about what is written"
    if not any(s.name == one.steered for s in form.segments):
        return f"it has no {one.steered} that could be read more or less"
    return ""


def _forms(plan: Plan, controlled: bool) -> Iterator[_Form]:
    """Yields structures first, then what is steered in the baseline structure, then the position controls."""
    for name in plan.structures:
        yield _Form(name)
        for part, factors in plan.steering.items() if name == baseline_structure(plan) else ():
            for factor in factors:
                yield _Form(name, False, part, factor)
    for name in plan.structures if controlled else ():
        if name in plan.controls:
            yield _Form(name, True)


def _length(form: LaidOutItem) -> int:
    return sum(len(m.content) for m in form.messages)


def steering_of_cell(form: LaidOutItem, part: str, factor: float) -> tuple[Steering, ...]:
    """Returns the steering of a laid-out item's part, wherever it stands; () for a plain run."""
    spans = tuple((s.message, s.start, s.end) for s in form.segments if s.name == part)
    return (Steering(spans, factor, name=part),) if part and spans else ()


def _id(plan: Plan, item: Item, one: _Form, model: str, seed: int, form: LaidOutItem) -> str:
    parts = [(s.name, s.message, s.start, s.end) for s in form.segments if not s.name.startswith("check ")]
    asked: Mapping[str, object] = {
        "item": item.id,
        "structure": one.structure,
        "control": one.control,
        "model": model,
        "seed": seed,
        "messages": [(m.role, m.content) for m in form.messages],
        "parts": parts if one.control or one.steered else [],
        "answer": item.answer,
        "tokens": plan.max_new_tokens,
        "temperature": plan.temperature,
        "top_p": plan.top_p,
    }
    if one.steered:  # a plain cell keeps the id that it had before there was any steering
        asked = {**asked, "steered": [one.steered, one.factor]}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
