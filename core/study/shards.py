"""Cuts a plan into shards: parts of a study that run apart, each on a machine of its own, and are merged afterwards.

A shard is a study whose list of cells is a part of the plan's. Which part follows from the plan, the number of shards
and its own number alone, so that its list can be built anew. Cells of a batch (``fixed_batches``) stay together, with
the numbers that they have in the whole plan, so that the runs of shards equal those of one study to the last bit. A
shard is of one model, a block of its prompts, where there are as many shards as models; else of a few whole models.
The note ``shard`` of its database says which one it is, and so does ``shard.json`` beside it, should the note be
damaged. Metrics that compare answers of all shards wait for the merge. Guarded by tests/core/test_study_shards.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..seals import with_seal, without_seal
from . import database
from .fixed_batches import numbered_batches
from .plan_cells import Cell
from .told_connection import SHARD_FILE

SHARD_NOTE = "shard"
"""The note that marks a study as a shard; the file beside its database says the same."""


@dataclass(frozen=True)
class Shard:
    """Which part of which plan a shard is."""

    plan: str
    """The id of the plan."""
    number: int
    """Counted from 0."""
    count: int
    """Number of shards of the plan."""

    @property
    def name(self) -> str:
        """The name of its folder: ``03``, of more than a hundred shards ``003``."""
        return f"{self.number:0{max(2, len(str(self.count - 1)))}}"

    @property
    def text(self) -> str:
        """For people: ``shard 03 of 16``."""
        return f"shard {self.name} of {self.count}"

    def to_json(self) -> str:
        """Returns it as JSON; ``shard_from`` reads it back."""
        return json.dumps(asdict(self))


def shard_from(plain: Mapping[str, Any]) -> Shard:
    """Returns the shard that a note or file tells of. Raises ValueError for anything else."""
    plan, number, count = plain.get("plan"), plain.get("number"), plain.get("count")
    if isinstance(plan, str) and isinstance(number, int) and isinstance(count, int) and 0 <= number < count:
        return Shard(plan, number, count)
    raise ValueError("it names no shard")


def shard_of(db: sqlite3.Connection) -> Shard | None:
    """Returns which shard this study is, None for a whole one. Raises StoreError for a damaged note."""
    text = database.get_note(db, SHARD_NOTE)
    if text is None:
        return None
    try:
        return shard_from(json.loads(text))
    except (ValueError, AttributeError) as error:
        raise StoreError(f"It cannot be told which shard of a study this is ({error}): cut its plan again.") from error


def check_no_shard(db: sqlite3.Connection) -> None:
    """Raises StoreError for a shard, whose plan is fixed."""
    shard = shard_of(db)
    if shard is not None:
        raise StoreError(f"This is {shard.text} of a study: change the plan of the study, and cut that anew.")


def cut_shards(cells: Sequence[Cell], count: int) -> list[dict[str, int]]:
    """Returns {cell: its batch} of each shard: at most ``count`` of them, none of them empty.

    ``cells``: all of a plan, from ``plan_cells_of``. Within a model the shards have about equally many cells.
    """
    models: dict[str, dict[int, list[str]]] = {}
    batches = numbered_batches(cells, 0)
    for cell in cells:
        models.setdefault(cell.model, {}).setdefault(batches[cell.id], []).append(cell.id)
    blocks = [[some[number] for number in sorted(some)] for some in models.values()]
    cut = _grouped(blocks, count) if count < len(blocks) else _divided(blocks, count)
    return [{cell: batches[cell] for batch in block for cell in batch} for block in cut]


def listed_batches(db: sqlite3.Connection, cells: Sequence[Cell]) -> dict[str, int]:
    """Returns {cell: its batch} of the ``cells`` of a plan that this study lists: all, or those of a shard.

    Raises StoreError for a shard that the plan does not have.
    """
    shard = shard_of(db)
    if shard is None:
        return numbered_batches(cells, 0)
    cut = cut_shards(cells, shard.count)
    if len(cut) != shard.count:
        raise StoreError(f"This is {shard.text}, and its plan makes {len(cut)}: cut the plan again.")
    return cut[shard.number]


def mend_shard_note(db: sqlite3.Connection) -> None:
    """Writes the note of a shard anew from the file beside it where it was lost (inside a transaction)."""
    if database.get_note(db, SHARD_NOTE) is not None:
        return
    file = Path(db.execute("PRAGMA database_list").fetchone()["file"]).with_name(SHARD_FILE)
    with suppress(OSError, ValueError, AttributeError):
        plain = without_seal(json.loads(file.read_text(encoding="utf-8")))
        database.put_note(db, SHARD_NOTE, shard_from(plain).to_json())


def sealed_shard(shard: Shard) -> dict[str, Any]:
    """Returns what stands in the file beside a shard's database."""
    return with_seal(asdict(shard))


Batches = list[list[str]]
"""The cells of each batch of one model."""


def _divided(blocks: list[Batches], count: int) -> list[Batches]:
    """Cuts each model's batches; a further shard goes to the model that has most cells a shard."""
    shares, cells = [1] * len(blocks), [sum(map(len, block)) for block in blocks]
    for _ in range(count - len(blocks)):
        able = [n for n, block in enumerate(blocks) if shares[n] < len(block)]
        if not able:
            break
        shares[max(able, key=lambda n: (cells[n] / shares[n], -n))] += 1
    return [part for block, share in zip(blocks, shares, strict=True) for part in _even_parts(block, share)]


def _grouped(blocks: list[Batches], count: int) -> list[Batches]:
    """Puts whole models together, the largest first into the shard that has fewest cells."""
    cells = [sum(map(len, block)) for block in blocks]
    found: list[list[int]] = [[] for _ in range(count)]
    for one in sorted(range(len(blocks)), key=lambda n: (-cells[n], n)):
        least = min(range(count), key=lambda group: sum(cells[n] for n in found[group]))
        found[least].append(one)
    groups = sorted(sorted(group) for group in found)
    return [[batch for n in group for batch in blocks[n]] for group in groups]


def _even_parts(block: Batches, count: int) -> list[Batches]:
    """Cuts consecutive batches into ``count`` parts, each end where the cells so far are nearest to its share."""
    total, at, seen = sum(map(len, block)), 0, 0
    parts = []
    for number in range(1, count + 1):
        start, goal, last = at, total * number, len(block) - (count - number)
        at, seen = at + 1, seen + len(block[at])
        while at < last and (
            number == count or abs((seen + len(block[at])) * count - goal) <= abs(seen * count - goal)
        ):
            at, seen = at + 1, seen + len(block[at])
        parts.append(block[start:at])
    return parts
