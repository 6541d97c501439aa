"""Makes a grid: prompts x models x samples in one table, from pasted lines or a CSV. Underneath it is a small study.

A prompt is asked as it is written. What its words clearly ask for ("in one word") is checked without being told. Grids
are marked by a note in their database, so that the list of studies leaves them out. Guarded by
tests/core/test_study_grid.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..errors import PromptError
from ..importance.methods import DEFAULT_METHOD
from ..models.catalogue import DEFAULT_MODEL
from ..records import Item
from . import database
from .import_items import ImportedItems, columns_of, detected_instructions, guess_mapping, read_items
from .plan import Plan
from .plan_estimate import estimate_plan
from .study import GRID_NOTE, Study

MOST_ANSWERS = 1000
MOST_SAMPLES = 8
SAMPLE_TEMPERATURE = 0.7
"""Temperature of more than one sample a cell; a single one is greedy."""
FIRST_FIELDS: dict[str, Any] = {
    "text": "",
    "lines": False,
    "models": (DEFAULT_MODEL,),
    "samples": 1,
    "tokens": 64,
}
"""The form of a new grid: its prompts, whether they have several lines, models, samples a cell, new tokens."""
_TAKEN = ("id", "prompt", "instruction", "context", "question", "reference", "instructions")


@lru_cache(maxsize=16)
def pasted_items(text: str, several_lines: bool = False) -> tuple[Item, ...]:
    """Returns an item for each line of ``text``, or for each paragraph where prompts have ``several_lines``.

    In a line, what stands behind a tab is the right answer, as two columns of a spreadsheet are pasted; another tab
    begins another one.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    pieces = re.split(r"\n[ \t]*\n", text) if several_lines else text.split("\n")
    found: list[Item] = []
    for piece in filter(str.strip, pieces):
        prompt, *right = [piece] if several_lines else re.split(r"\t+", piece.strip())
        reference = tuple(one.strip() for one in right if one.strip())
        found.append(_checked_item(Item(f"item-{len(found) + 1:03d}", "own", prompt.strip(), reference=reference)))
    return tuple(found)


def table_items(data: str | bytes) -> ImportedItems:
    """Returns the items of a CSV: a column ``prompt``, and if there are any, ``reference``, ``system`` and ``name``.

    ``answer`` counts as the reference where there is no such column. Raises PromptError for errors of the whole file.
    """
    columns = columns_of(data)
    guessed = guess_mapping(columns)
    if "answer" in guessed:
        guessed.setdefault("reference", guessed["answer"])
    mapping = {name: column for name, column in guessed.items() if name in _TAKEN}
    system = next((c for c in columns if c.strip().lower() in ("system", "system message", "system_message")), None)
    if system is not None and "prompt" in mapping:
        mapping |= {"instruction": system, "question": mapping.pop("prompt")}
    if not {"prompt", "question", "instruction"} & set(mapping):
        raise PromptError(f"No column holds the prompts: call it prompt; the columns are {', '.join(columns)}.")
    read = read_items(data, mapping=mapping)
    items = read.items if system is not None else [_one_text(item) for item in read.items]
    return replace(read, items=tuple(map(_checked_item, items)))


def _one_text(item: Item) -> Item:
    """Returns the item with its parts, in reading order, as one prompt."""
    return replace(item, prompt=item.own_words, segments={})


def _checked_item(item: Item) -> Item:
    """Returns the item with the instructions that its words clearly ask for, where it names none."""
    return item if item.instructions else replace(item, instructions=detected_instructions(item))


def pasted_text(items: Sequence[Item]) -> tuple[str, bool]:
    """Returns (the text that ``pasted_items`` makes these items of, whether they have several lines); "" for others."""
    if any(item.segments or not item.id.startswith("item-") for item in items):
        return "", False
    several = any("\n" in item.prompt for item in items)
    if several and any(item.reference for item in items):
        return "", False
    return ("\n\n" if several else "\n").join("\t".join([item.prompt, *item.reference]) for item in items), several


def fields_of_grid(ident: str) -> dict[str, Any]:
    """Returns FIRST_FIELDS filled from a grid; without its prompts where they do not fit a box of text."""
    study = Study(ident)
    try:
        plan = study.plan
    finally:
        study.close()
    (text, several), models = pasted_text(plan.items), list(plan.models)
    box = {"text": text, "lines": several} if text else {}
    return {**box, "models": models, "samples": len(plan.seeds), "tokens": plan.max_new_tokens}


def grid_plan(items: Sequence[Item], models: Sequence[str], samples: int = 1, max_new_tokens: int = 64) -> Plan:
    """Returns the plan of a grid. Raises PromptError, one sentence, for what cannot be asked."""
    if not items:
        raise PromptError("There is no prompt yet: write one a line, or open a CSV.")
    if not models:
        raise PromptError("No model is picked: pick at least one.")
    count = len(items) * len(models) * samples
    if count > MOST_ANSWERS:
        raise PromptError(
            f"{count:,} answers are more than one table shows ({MOST_ANSWERS:,}): take fewer prompts or models."
        )
    told = sum("instruction" in item.segments for item in items)
    if 0 < told < len(items):
        raise PromptError(
            f"{told:,} of {len(items):,} prompts have a system message: give one to each, or leave the column out."
        )
    return Plan(
        name=own_start(items[0]),
        models=tuple(models),
        structures=("system_message" if told else "plain",),
        items=tuple(items),
        seeds=tuple(range(samples)),
        max_new_tokens=max_new_tokens,
        temperature=SAMPLE_TEMPERATURE if samples > 1 else 0.0,
        methods=(DEFAULT_METHOD,),
        effects=False,
    )


def own_start(item: Item, most: int = 60) -> str:
    """Returns the beginning of a prompt as one line, for a name."""
    line = " ".join((item.segments.get("question") or item.own_words).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def open_grid(plan: Plan) -> str:
    """Makes the study of a grid, or finds the one of the same plan; returns its id. Raises PromptError, StoreError."""
    study = Study(plan)
    try:
        status = study.status()
        if not status.done + status.failed + status.running:  # one that was begun on the page Study stays listed there
            database.put_note(study.db, GRID_NOTE, "1")
        return study.id
    finally:
        study.close()


def grid_estimate(plan: Plan) -> tuple[int, float | None]:
    """Returns (answers, seconds with one worker); None where nothing is known of one of the models."""
    found = estimate_plan(plan)
    return found.runs, found.seconds
