"""What was measured on one prompt: the answer, what each method says about it, and what hiding parts really costs.

Everything that needed the model is kept as ``PromptMeasurement``: every hidden variant that was scored, the importance
of each sentence by each method, and what every single head read there. All measures of faithfulness, and the weights of
heads, are computed from these afterwards, so that a new method costs only the variants that it alone asks for.

Pure numpy. Guarded by tests/core/test_trust_head_fit.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StoreError
from ..records import HeadWeights
from ..unfinished import unfinished_prefix
from .faithfulness import MASKS, half_masks
from .trust_prompts import TrustPrompt

LEARNED = "learned-heads"
TOP_UNITS = (1, 3, 5)
"""How many of the units that a method calls most important are hidden, and are kept alone."""
NO_TOPS = ("value-written", "length", "recency", "rarity")
"""What has no top units hidden: baselines but chance, and what orders units as another method does."""


@dataclass(frozen=True, eq=False)
class PromptMeasurement:
    """What was measured on one prompt; U units, V variants, H heads."""

    prompt: TrustPrompt
    model: str
    """Fingerprint."""
    token_ids: np.ndarray
    """int64 [N]: prompt, then output."""
    prompt_length: int
    answer: str
    answer_steps: np.ndarray
    """int [A]"""
    labels: tuple[str, ...]
    able: np.ndarray
    """bool [U]: may be hidden: in the user's own text, and not the question."""
    evidence: np.ndarray
    """bool [U]"""
    question: np.ndarray
    """bool [U]"""
    masks: np.ndarray
    """bool [V, U], True hidden"""
    removed: np.ndarray
    """bool [V]: hidden by removing (else by masking)."""
    logprob: np.ndarray
    """float64 [V]: log-probability of the answer; NaN where it cannot be made."""
    base: float
    """Log-probability of the answer behind the whole prompt."""
    values: Mapping[str, np.ndarray]
    """{method or baseline: float64 [U]}"""
    layers: np.ndarray
    """int [H]"""
    heads: np.ndarray
    """int [H]"""
    read: np.ndarray
    """float32 [H, U]: share of attention of each head, mean over the answer's steps, sinks left out."""
    written: np.ndarray
    """float32 [H, U]: the same, each weight times the length of what is written; no rows where that is not known."""
    seconds: Mapping[str, float]
    """{"run", "variant" (one of them)}"""

    @property
    def right(self) -> bool | None:
        """Whether the answer is right; None where that cannot be told."""
        return self.prompt.answered(self.answer)

    def logprob_of(self, masks: np.ndarray, mode: str = "mask") -> np.ndarray:
        """Returns float64 [variant]: the log-probability under each of ``masks``; NaN where it was not scored."""
        known = {
            m.tobytes(): v
            for m, r, v in zip(self.masks, self.removed, self.logprob, strict=True)
            if r == (mode == "remove")
        }
        known.setdefault(np.zeros(len(self.labels), bool).tobytes(), self.base)
        return np.array([known.get(np.asarray(mask, bool).tobytes(), np.nan) for mask in masks], float)

    @property
    def halves(self) -> np.ndarray:
        """bool [MASKS, U]: the masks by which methods are scored."""
        return half_masks(self.able, MASKS)

    @property
    def alone(self) -> np.ndarray:
        """bool [able units, U]: each unit hidden alone."""
        return np.eye(len(self.able), dtype=bool)[self.able]


def top_masks(values: np.ndarray, able: np.ndarray) -> np.ndarray:
    """Returns bool [2 x TOP_UNITS, U]: the first 1, 3, 5 units by ``values`` hidden, then all but these hidden."""
    order = np.flatnonzero(able)[np.argsort(-values[able], kind="stable")]
    hidden = np.zeros((len(TOP_UNITS), len(able)), bool)
    for row, count in zip(hidden, TOP_UNITS, strict=True):
        row[order[:count]] = True
    return np.concatenate([hidden, able & ~hidden])


def with_learned(found: PromptMeasurement, weights: HeadWeights | None) -> PromptMeasurement:
    """Returns ``found`` with what learned weights of heads say about each unit, where there are any."""
    if weights is None:
        return found
    by = weights.of(found.layers, found.heads)
    read = found.read if weights.reads == "attention" else found.written
    return replace(found, values=dict(found.values) | {LEARNED: (by @ read).astype(np.float64)})


_ARRAYS = (
    "token_ids", "answer_steps", "able", "evidence", "question", "masks", "removed", "logprob", "layers", "heads",
    "read", "written",
)  # fmt: skip


def save_measurement(found: PromptMeasurement, path: Path) -> None:
    """Writes ``found`` to ``path`` (.npz) whole or not at all."""
    plain = {
        "prompt": asdict(found.prompt),
        "model": found.model,
        "prompt_length": found.prompt_length,
        "answer": found.answer,
        "labels": found.labels,
        "base": found.base,
        "seconds": dict(found.seconds),
    }
    arrays = {name: getattr(found, name) for name in _ARRAYS}
    arrays |= {f"value:{name}": value for name, value in found.values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{unfinished_prefix()}{path.name}")
    with half.open("wb") as file:
        np.savez_compressed(file, plain=np.array(json.dumps(plain)), **arrays)
    half.replace(path)


def read_measurement(path: Path) -> PromptMeasurement:
    """Reads what ``save_measurement`` wrote. Raises OSError, and StoreError for a damaged file."""
    try:
        return _read(path)
    except OSError:
        raise
    except Exception as error:  # each part of numpy, zip and zlib fails in its own way
        raise StoreError(f"The measurement {path.name} was damaged on disk: measure its prompt again.") from error


def _read(path: Path) -> PromptMeasurement:
    with np.load(path, allow_pickle=False) as file:
        plain = json.loads(str(file["plain"]))
        arrays = {name: file[name] for name in _ARRAYS}
        values = {name.removeprefix("value:"): file[name] for name in file.files if name.startswith("value:")}
    prompt: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in plain.pop("prompt").items()
    }
    labels = tuple(plain.pop("labels"))
    return PromptMeasurement(prompt=TrustPrompt(**prompt), labels=labels, values=values, **plain, **arrays)
