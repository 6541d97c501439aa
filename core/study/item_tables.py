"""Items from what a person corrected in tables: their segments, their instructions, and those held out as examples.

Guarded by tests/pages/test_study_upload.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import HeedError
from ..records import Instruction, Item
from .item_files import ITEM_PARTS, Example
from .quality.instructions import check_kwargs

if TYPE_CHECKING:
    import pandas as pd


def with_segments(items: Sequence[Item], table: pd.DataFrame) -> tuple[Item, ...]:
    """The items, ticked ones with the segments of ``table``; a row without any text leaves its item whole."""
    found = {}
    for row in table.to_dict("records"):
        parts = {
            name: str(row[name]).strip() for name in ITEM_PARTS if isinstance(row[name], str) and row[name].strip()
        }
        if row["use"] and parts:
            found[row["id"]] = parts
    return tuple(replace(i, prompt="", segments=found[i.id]) if not i.segments and i.id in found else i for i in items)


def with_instructions(items: Sequence[Item], table: pd.DataFrame) -> tuple[tuple[Item, ...], list[str]]:
    """(items with the instructions of ``table``, a sentence for each faulty row)."""
    texts = {i.id: "\n".join([i.prompt, *i.segments.values()]) for i in items}
    found: dict[str, list[Instruction]] = {}
    problems = []
    for row in table.to_dict("records"):
        ident = row["item"]
        if not isinstance(ident, str) or not isinstance(row["kind"], str):
            continue
        try:
            kwargs = check_kwargs(row["kind"], parse_settings(row["settings"]))
        except HeedError as error:
            problems.append(f"{ident}: {error}")
            continue
        words = row["words"] if isinstance(row["words"], str) else ""
        if words and words not in texts.get(ident, ""):
            problems.append(f"{ident}: the words “{words[:60]}” do not stand in the item, so they are looked for.")
            words = ""
        found.setdefault(ident, []).append(Instruction(row["kind"], kwargs, text=words))
    return tuple(replace(i, instructions=tuple(found.get(i.id, ()))) for i in items), problems


def parse_settings(text: Any) -> Mapping[str, Any]:
    """Parses a cell of settings (JSON) as keyword arguments. Raises HeedError."""
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeedError(f'the settings {text[:40]!r} are no JSON: write them like {{"count": 3}}.') from error
    if not isinstance(value, dict):
        raise HeedError(f'the settings {text[:40]!r} must be names with values: write them like {{"count": 3}}.')
    return value


def hold_out_examples(items: Sequence[Item], shots: int) -> tuple[dict[str, tuple[Example, ...]], tuple[Item, ...]]:
    """({task: the first ``shots`` solved items as examples}, the other items)."""
    taken: dict[str, list[Example]] = {}
    rest = []
    for item in items:
        parts_of = item.segments
        mine = taken.setdefault(item.task, [])
        if len(mine) < shots and item.reference and (parts_of.get("context") or parts_of.get("question")):
            mine.append(Example(item.reference[0], parts_of.get("context", ""), parts_of.get("question", "")))
        else:
            rest.append(item)
    shown = {task: tuple(some) for task, some in taken.items() if some}
    asked = {(e.context.strip(), e.question.strip()) for some in shown.values() for e in some}
    return shown, tuple(i for i in rest if _question(i) not in asked)


def _question(item: Item) -> tuple[str, str]:
    return item.segments.get("context", "").strip(), item.segments.get("question", "").strip()
