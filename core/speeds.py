"""Keeps how fast this machine ran each model, by kind of work, and tells from it how long work will take.

    HEED_HOME/speeds.json   {model, precision, device and cores: {kind: [[work, seconds], ...], "parameters": n}}

Work is counted in tokens that the model computes anew (``load``: 1). What is kept are the latest observations; the
answer is the median pace of those nearest in size, since a short pass costs more a token than a long one, and one slow
run under load says little. Without observations of a kind the pace is that of another kind of the same model, then
that of another model by its size, then what this machine multiplies and copies in a moment's trial: ``measured`` is
then False, and pages say that it is a guess. Nothing that was asked or answered is kept. Guarded by
tests/core/test_speeds.py.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .errors import StoreError
from .records import ModelKey
from .seals import with_seal, without_seal
from .settings import home_path
from .unfinished import unfinished_prefix

SPEEDS_FILE = "speeds.json"
KEPT_SPEEDS, NEAREST = 40, 5
"""Observations kept of a kind, and how many of them, the nearest in size, an estimate rests on."""
ALIKE = 4.0
"""How many times further in size than the nearest another of them may be: a short pass says little of a long one."""
PASSES = {
    "read": 1.3,
    "prompt": 1.3,
    "variants": 1.0,
    "switched off": 1.0,
    "steered": 1.0,
    "rollout": 2.0,
    "input-x-gradient": 3.0,
    "attention-x-gradient": 3.0,
    "integrated-gradients": 3.0,
}
"""Cost of a token in plain forward passes, for a kind that was not measured. ``write`` is bound by memory instead."""
LOADING = {"load": 2.0, "first load": 9.0}
"""Seconds that loading takes whatever the size; the first of a process imports torch and transformers as well."""
LOADING_EACH = 2e-9
"""Seconds a parameter."""
WEIGHT_BYTES = 4
"""Bytes a parameter, all of which are fetched for each token that is written."""
ACCELERATED = 20.0
"""How much faster another device than the processor is taken to be where nothing was measured on it."""


@dataclass(frozen=True)
class Expected:
    """Seconds that work should take, and whether that rests on the same kind of work of this model."""

    seconds: float
    measured: bool


def note_speed(key: ModelKey, parameters: int, kind: str, work: float, seconds: float) -> None:
    """Keeps that ``work`` of a kind took ``seconds``; nothing is raised where it cannot be kept."""
    if not (work > 0 and seconds > 0 and math.isfinite(work * seconds)):
        return
    kept = _read()
    own = dict(kept.get(_name(key), {}))
    own["parameters"] = int(parameters)
    own[kind] = [*own.get(kind, []), [float(work), round(float(seconds), 4)]][-KEPT_SPEEDS:]
    found = kept | {_name(key): own}
    with suppress(OSError, StoreError):
        path = home_path() / SPEEDS_FILE
        part = path.with_name(f"{unfinished_prefix()}{secrets.token_hex(4)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(with_seal(found)), encoding="utf-8")
        os.replace(part, path)


def expected_time(key: ModelKey, parameters: int, kind: str, work: float) -> Expected:
    """Returns how long ``work`` of a kind should take for a model of that many parameters.

    NaN seconds for work that is made of several kinds and was never measured.
    """
    kept = _read()
    own = kept.get(_name(key), {})
    for models in ([own], kept.values()):
        paces = [pace for one in models if (pace := _pace_of(one, kind, work)) is not None]
        if paces:
            return Expected(work * float(np.median(paces)) * parameters, bool(own.get(kind)))
    return Expected(work * _guess(key, kind, parameters), False)


def first_load() -> bool:
    """Returns whether this process has loaded no model yet: it then imports torch and transformers as well."""
    return "transformers" not in sys.modules


def _pace_of(model: dict[str, Any], kind: str, work: float) -> float | None:
    """Returns seconds per unit of work and parameter of one model; None where no kind that is alike was measured."""
    size = model.get("parameters") or 0
    if size and model.get(kind):
        return _pace(model[kind], work) / size
    alike = [_pace(model[k], work) / PASSES[k] for k in PASSES if model.get(k)] if kind in PASSES else []
    return float(np.median(alike)) * PASSES[kind] / size if size and alike else None


def _pace(seen: list[list[float]], work: float) -> float:
    """Returns the median seconds per unit of work of the observations nearest in size, the latest first."""
    away = [abs(math.log(done / work)) for done, _ in seen]
    order = sorted(range(len(seen)), key=lambda i: (away[i], -i))
    near = [seen[i] for i in order[:NEAREST] if away[i] <= away[order[0]] + math.log(ALIKE)]
    return float(np.median([seconds / done for done, seconds in near]))


def _guess(key: ModelKey, kind: str, parameters: int) -> float:
    """Returns seconds per unit of work, from the size of the model and a trial of this machine."""
    if kind in LOADING:
        return LOADING[kind] + parameters * LOADING_EACH
    if kind not in PASSES and kind != "write":
        return math.nan  # made of several kinds of work, as the cells of a study: known only where it was measured
    multiplied, copied = _trial()
    faster = 1.0 if key.device == "cpu" else ACCELERATED
    each = WEIGHT_BYTES / copied if kind == "write" else PASSES[kind] * 2 / multiplied
    return parameters * each / faster


@cache
def _trial() -> tuple[float, float]:
    """Returns (operations, bytes) a second at which this processor multiplies and copies, tried for some 20 ms."""
    square, row = np.ones((512, 512), np.float32), np.ones(1 << 22, np.float32)
    best = [math.inf, math.inf]
    for _ in range(3):
        for i, do in enumerate((lambda: square @ square, row.copy)):
            began = time.perf_counter()
            do()
            best[i] = min(best[i], time.perf_counter() - began)
    return 2 * 512**3 / best[0], 2 * row.nbytes / best[1]


def _name(key: ModelKey) -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{key.fingerprint[:16]} {key.dtype} {key.device} {cores}"


def _read() -> dict[str, dict[str, Any]]:
    try:
        path = home_path() / SPEEDS_FILE
        stamp = path.stat().st_mtime_ns
    except (OSError, StoreError):
        return {}
    return _parsed(path, stamp)


@lru_cache(maxsize=2)
def _parsed(path: Path, stamp: int) -> dict[str, dict[str, Any]]:
    """Returns what the file holds; nothing where it is damaged, since all of it is measured again."""
    try:
        found = without_seal(json.loads(path.read_text(encoding="utf-8")))
        for model in found.values():
            if not all(w > 0 and s > 0 for kind, seen in model.items() if kind != "parameters" for w, s in seen):
                return {}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return dict(found)
