"""Tiny plans to cut, and every number of a study, for tests of shards and their merging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.study import database
from core.study.plan import Plan
from core.study.study import Study
from tests.core import models_made_up, study_tiny

WIDE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
"""Wide enough that sums depend on who shares a batch: at a width of 16 they do not."""


def two_models(folder: Path) -> tuple[str, str]:
    """Saves two tiny models whose weights differ; returns their names."""
    spreads = {"first": 0.4, "second": 0.3}
    made = [
        models_made_up.save_model(
            folder / name,
            models_made_up.tiny_llama(max_position_embeddings=1024, initializer_range=spread, **WIDE),
        )
        for name, spread in spreads.items()
    ]
    return str(made[0]), str(made[1])


def plan(models: tuple[str, ...], count: int = 3, **more: Any) -> Plan:
    """Steered cells, a position control, an own check and a judge, over two tasks."""
    fields: dict[str, Any] = {
        "models": models,
        "max_new_tokens": 2,
        "effects": True,
        "controls": ("instruction_first",),
        "control_items": 1,
        "steering": {"instruction": (2.0,)},
        "methods": ("mean-attention",),
        "metrics": ({"name": "any", "kind": "regex", "text": "."},),
    }
    return study_tiny.plan(models[0], count, **fields | more)


def numbers(study: Study) -> dict[str, tuple[Any, ...]]:
    """{cell: every number that its runs gave}, exactly."""
    left_out = ("finished", "seconds")
    runs = database.query_rows(study.db, "SELECT * FROM runs")
    rows = {r["cell"]: {k: v for k, v in sorted(r.items()) if k not in left_out and v is not None} for r in runs}
    told = database.query_rows(study.db, "SELECT * FROM instructions ORDER BY cell, number")
    kept = database.query_rows(study.db, "SELECT cell, request, spans, digest, effects FROM kept")
    return {
        r["cell"]: (*r.values(), json.dumps(rows[r["cell"]]), json.dumps([t for t in told if t["cell"] == r["cell"]]))
        for r in kept
    }


def places(study: Study) -> list[tuple[Any, ...]]:
    """The list of cells with their order and batches, and how far they are."""
    return [tuple(r) for r in study.db.execute("SELECT cell, number, batch, state FROM cells ORDER BY number")]
