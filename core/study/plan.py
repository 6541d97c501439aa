"""The plan of a study, fixed before anything runs; its id is the sha256 of its canonical JSON.

Everything that decides which cells there are, and the pairs that are named primary before the first answer is seen, is
part of the id; the study's name is not. Built-in items are given by the name of their suite, uploaded ones in full.
Methods are columns of the table, not runs: each run is read by all of them. Guarded by tests/core/test_study_plan.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from ..checks import check_number, check_texts, check_whole
from ..errors import PromptError
from ..importance.methods import default_study_methods, study_methods
from ..records import Item, Steering
from ..records.arrays import set_fields
from . import item_files as suites
from .item_files import ITEM_PARTS, TASKS, Example, check_halves, example_from, item_from, item_to
from .prompt_structures import check_template, get_structure
from .quality.own_metric import OwnMetric, checked_own_metrics

MOST_PRIMARY = 3
"""Most pairs that may be named primary."""
_LISTS = ("models", "structures", "suites", "controls")


@dataclass(frozen=True)
class Plan:
    """Items x structures x models x seeds. Raises PromptError, one sentence, for what cannot be run."""

    name: str
    models: tuple[str, ...]
    """Names as ``load_model`` takes them."""
    structures: tuple[str, ...] = ("instruction_first", "instruction_last")
    """Keys of STRUCTURES, or ``custom:NAME`` of ``templates``."""
    suites: tuple[str, ...] = ()
    """Tasks whose built-in items are used."""
    items: tuple[Item, ...] = ()
    """Uploaded items."""
    per_task: int | None = None
    """Only the first so many items of each task; None: all."""
    controls: tuple[str, ...] = ()
    """Structures that are also run with a filler in the instruction's place."""
    control_items: int | None = None
    """Position controls for the first so many items of each task; None: all."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of sampled answers, one per cell; greedy answers have one."""
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    methods: tuple[str, ...] = field(default_factory=default_study_methods)
    """Methods by which every run is read: names of METHODS that need only stored rows."""
    effects: bool = True
    """Whether each segment and instruction is also ablated (masked and removed)."""
    primary: tuple[tuple[str, str], ...] = ()
    """(feature, metric) pairs that are tested as named in advance."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """The user's own structures, {NAME: template}."""
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    """Held-out examples of uploaded tasks."""
    metrics: tuple[OwnMetric, ...] = ()
    """Own checks and judges, computed for every run; or mappings with their fields."""
    components: bool = False
    """Record the model's other parts too, for the features that are made of them; takes about twice the time."""
    steering: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """{part of the prompt: factors by which it is read more or less}, in the baseline structure; another part with the
    same factors is the control. The factor 1 is the plain run, which is always there."""

    def __post_init__(self) -> None:
        lists: dict[str, Any] = {name: tuple(dict.fromkeys(check_texts(name, getattr(self, name)))) for name in _LISTS}
        pairs = tuple((str(f), str(m)) for f, m in self.primary)
        set_fields(
            self,
            name=str(self.name).strip(),
            items=tuple(self.items),
            methods=check_texts("methods", self.methods),
            seeds=tuple(dict.fromkeys(check_whole("Seed", s, 0, 2**32 - 1) for s in self.seeds)) if self.hot else (0,),
            max_new_tokens=check_whole("New tokens (max_new_tokens)", self.max_new_tokens, 1, 100_000),
            temperature=check_number("Temperature", self.temperature, "lie between 0 (greedy) and 10"),
            top_p=check_number("Top-p", self.top_p, "be above 0 and at most 1") if self.hot else 1.0,
            primary=pairs,
            templates=dict(self.templates),
            examples={task: tuple(shown) for task, shown in self.examples.items()},
            metrics=checked_own_metrics(self.metrics),
            steering=checked_factors(self.steering),
            **lists,
        )
        self._check()

    @property
    def hot(self) -> bool:
        """Whether answers are sampled."""
        return check_number("Temperature", self.temperature, "lie between 0 (greedy) and 10") > 0

    def _check(self) -> None:
        if not self.name:
            raise PromptError("The study has no name: give it one, so that it can be found again.")
        if not self.models:
            raise PromptError("The study has no model: pick at least one.")
        if not self.structures:
            raise PromptError("The study has no structure: pick at least one, for example plain.")
        if not self.suites and not self.items:
            raise PromptError("The study has no items: pick a built-in suite or upload items.")
        if not self.seeds:
            raise PromptError("The study has no seed: sampled answers need at least one.")
        if not 0 <= self.temperature <= 10 or not 0 < self.top_p <= 1:
            raise PromptError("Temperature must lie between 0 and 10, and top-p above 0 and at most 1.")
        for limit in ("per_task", "control_items"):
            if getattr(self, limit) is not None:
                check_whole(limit, getattr(self, limit), 1 if limit == "per_task" else 0, 1_000_000)
        if len(self.primary) > MOST_PRIMARY:
            raise PromptError(f"{len(self.primary)} pairs are named primary: name at most {MOST_PRIMARY}.")
        for task in self.suites:
            if task not in TASKS:
                raise PromptError(f"There is no suite {task!r}: the suites are {', '.join(TASKS)}.")
        for text in self.templates.values():
            check_template(text)
        for name in (*self.structures, *self.controls):
            get_structure(name, self.templates)
        known = study_methods()
        for name in self.methods:
            if name not in known:
                raise PromptError(f"A study cannot read its runs by {name!r}: the methods are {', '.join(known)}.")
        extra = [name for name in self.controls if name not in self.structures]
        if extra:
            raise PromptError(f"{extra[0]} has a position control and is not run itself: add it to the structures.")
        self._check_items()

    def _check_items(self) -> None:
        seen: set[str] = set()
        for item in self.all_items():
            if not item.id:
                raise PromptError("An item has no id: give every item an id of its own.")
            if item.id in seen:
                raise PromptError(f"Two items have the id {item.id!r}: give every item an id of its own.")
            seen.add(item.id)
        asked = {(i.segments.get("context", "").strip(), i.segments.get("question", "").strip()) for i in self.items}
        for task, shown in self.examples.items():
            if any((e.context.strip(), e.question.strip()) in asked for e in shown):
                raise PromptError(f"An example of {task} is one of the items: examples must be held out.")

    def all_items(self) -> tuple[Item, ...]:
        """Returns built-in and uploaded items, the first ``per_task`` of each task."""
        return self._items

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        every = [item for task in self.suites for item in suites.suite(task)] + list(self.items)
        if self.per_task is None:
            return tuple(every)
        taken: dict[str, int] = {}
        kept = []
        for item in every:
            taken[item.task] = taken.get(item.task, 0) + 1
            if taken[item.task] <= self.per_task:
                kept.append(item)
        return tuple(kept)

    def examples_of(self, task: str) -> tuple[Example, ...]:
        """Returns the held-out examples of a task: the plan's own, or those of the suite."""
        return self.examples[task] if task in self.examples else suites.examples(task)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of all factors of its items, in order of appearance."""
        return tuple(dict.fromkeys(name for item in self.all_items() for name in item.factors))

    @cached_property
    def canonical(self) -> str:
        """The JSON of which ``id`` is the hash."""
        plain = {k: v for k, v in self.plain().items() if k != "name"}
        return json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """The sha256 (hex) of ``canonical``."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def plain(self) -> dict[str, Any]:
        """Returns every field as plain JSON values."""
        found: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in found.items():
            if isinstance(value, tuple):
                found[name] = [list(v) if isinstance(v, tuple) else v for v in value]
        found["items"] = [item_to(item) for item in self.items]
        found["templates"] = dict(self.templates)
        found["examples"] = {
            task: [{"context": e.context, "question": e.question, "answer": e.answer} for e in shown]
            for task, shown in self.examples.items()
        }
        del found["metrics"], found["components"], found["steering"]
        if self.components:
            found["components"] = True
        if self.steering:
            found["steering"] = {part: list(factors) for part, factors in self.steering.items()}
        if self.metrics:  # a plan without own metrics keeps the bytes, and so the id, that it had before there were any
            found["metrics"] = [metric.plain() for metric in self.metrics]
        return found

    def to_json(self) -> str:
        """Returns the plan as JSON; ``from_json`` reads it back, with the same id."""
        return json.dumps(self.plain(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, folder: Path | None = None) -> Plan:
        """Parses the plan of a JSON text. Raises PromptError with what is wrong.

        With a ``folder``, ``items`` may also be {"file": path, "kind": ..., "mapping": {...}}, the path relative to it;
        without one nothing is read from disk.
        """
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PromptError(f"The plan is no JSON ({error}): write it as the page's download does.") from error
        if not isinstance(plain, Mapping):
            raise PromptError("The plan must be a JSON object with name, models, structures and items or suites.")
        check_halves(plain)
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(plain) - set(known))
        if unknown:
            raise PromptError(f"The plan has an unknown field {unknown[0]!r}: the fields are {', '.join(known)}.")
        try:
            return cls(**{"name": "", "models": ()} | dict(plain) | _nested(plain, folder))
        except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
            said = str(error)[:200]
            raise PromptError(f"A field of the plan has the wrong type ({said}): see a downloaded plan.") from error


def _nested(plain: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Parses the fields that hold records."""
    told = plain.get("items") or []
    if isinstance(told, Mapping):
        from .import_items import read_items

        if folder is None:
            raise PromptError("The items of this plan lie in a file beside it: upload that file as items instead.")
        path = folder / str(told.get("file", ""))
        read = read_items(path, told.get("kind", "auto"), told.get("mapping"), told.get("task", "own"))
        if read.errors:
            raise PromptError(f"{path.name} has {len(read.errors)} faulty lines; the first: {read.errors[0]}")
        items = read.items
    else:
        items = tuple(item_from(one) for one in told)
    shown = plain.get("examples") or {}
    examples = {str(task): tuple(example_from(e) for e in some) for task, some in shown.items()}
    return {"items": items, "examples": examples, "templates": plain.get("templates") or {}}


def checked_factors(steering: Any) -> dict[str, tuple[float, ...]]:
    """Returns {part: factors in order, without 1} of a plan. Raises PromptError for unknown parts and bad factors."""
    if not isinstance(steering, Mapping):
        raise PromptError('Steering in a plan is {part: factors}, for example {"instruction": [0.25, 2, 4]}.')
    found = {}
    for part, factors in steering.items():
        if part not in ITEM_PARTS:
            raise PromptError(f"A study cannot steer {part!r}: the parts of an item are {', '.join(ITEM_PARTS)}.")
        several = [factors] if isinstance(factors, (int, float)) else list(factors)
        made = {Steering(((0, 0, 1),), factor).factor for factor in several}
        if made - {1.0}:
            found[str(part)] = tuple(sorted(made - {1.0}))
    return found


def baseline_structure(plan: Plan) -> str:
    """Returns the structure that others are compared to: ``instruction_first`` where it is run, else the first."""
    return "instruction_first" if "instruction_first" in plan.structures else plan.structures[0]
