"""The example that comes with Heed of attention in a model in training: an induction head forms.

A model of two layers read random words in which a stretch comes again (scripts/train_induction_model.py). All its
checkpoints then read one sentence with a repeat; their maps lie in data/ as 16-bit numbers, the checkpoints do not.
Guarded by tests/core/test_maps_example_checkpoints.py.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StoreError
from ..records import SCALE, AttentionMaps, MapTokens

EXAMPLE_CHECKPOINTS = Path(__file__).parent / "data" / "induction"
"""Folder with maps.npz and about.json."""

_MAPS, _ABOUT = "maps.npz", "about.json"


def example_checkpoints(folder: Path | str = EXAMPLE_CHECKPOINTS) -> list[tuple[str, AttentionMaps]]:
    """Returns (name, attention maps) of every checkpoint, in the order of training; weights are within 1.6e-5.

    ``folder``: one that ``write_example_checkpoints`` wrote. Raises StoreError where its files are missing or damaged.
    """
    try:
        return list(_read(Path(folder)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The example checkpoints in {folder} cannot be read: install Heed anew.") from error


@lru_cache(maxsize=2)
def _read(folder: Path) -> tuple[tuple[str, AttentionMaps], ...]:
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    with np.load(folder / _MAPS, allow_pickle=False) as arrays:
        weights = np.square(arrays["weights"] / np.float32(SCALE), dtype=np.float32)
    side = MapTokens(tuple(about["tokens"]), np.array(about["special"], bool))
    return tuple(
        (
            one["name"],
            AttentionMaps(
                values,
                side,
                side,
                layers=tuple(about["layers"]),
                causal=True,
                source=one["source"],
                notes=tuple(about["notes"]),
            ),
        )
        for one, values in zip(about["checkpoints"], weights, strict=True)
    )


def write_example_checkpoints(
    found: list[tuple[str, AttentionMaps]], folder: Path, notes: tuple[str, ...] = ()
) -> None:
    """Writes the maps of checkpoints that read one text: round(65535 * sqrt(a)) in 16 bits, as runs keep weights.

    ``notes``: what a reader should know of them. Raises ValueError where tokens or shapes differ.
    """
    first = found[0][1]
    if any((m.keys.texts, m.queries.texts) != (first.keys.texts, first.keys.texts) for _, m in found):
        raise ValueError("The checkpoints did not read the same tokens: give maps of one text.")
    weights = np.stack([maps.values for _, maps in found])  # raises ValueError where shapes differ
    about: dict[str, Any] = {
        "tokens": first.keys.texts,
        "special": first.keys.special.tolist(),
        "layers": first.layers,
        "checkpoints": [{"name": name, "source": maps.source} for name, maps in found],
        "notes": notes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / _MAPS, weights=np.round(np.sqrt(weights) * SCALE).astype(np.uint16))
    (folder / _ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
