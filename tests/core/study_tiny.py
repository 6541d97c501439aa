"""Tiny studies for tests: a tiny model in a folder, a few made-up items, a plan over both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.records import Instruction, Item
from core.study.plan import Plan
from tests.core import models_made_up

INSTRUCTIONS = ("Use one word.", "Answer in one word only.", "Say it in one word.")


def model(folder: Path) -> str:
    """Saves a tiny llama in ``folder``; returns its name."""
    made = models_made_up.tiny_llama(max_position_embeddings=1024)
    return str(models_made_up.save_model(folder / "model", made))


def item(number: int = 0, **more: Any) -> Item:
    told = INSTRUCTIONS[number % 3]
    fields: dict[str, Any] = {
        "id": f"item-{number}",
        "task": ("colour", "animal")[number % 2],
        "segments": {"instruction": told, "question": f"What is thing {number}?"},
        "reference": ("red",),
        "instructions": (Instruction("heed:words", {"relation": "exactly", "count": 1}, text="one word"),),
        "factors": {"kind": "odd" if number % 2 else "even"},
    }
    return Item(**fields | more)


def plan(model: str, count: int = 3, **more: Any) -> Plan:
    fields: dict[str, Any] = {
        "name": "Tiny",
        "models": (model,),
        "items": tuple(item(n) for n in range(count)),
        "max_new_tokens": 3,
        "effects": False,
    }
    return Plan(**fields | more)
