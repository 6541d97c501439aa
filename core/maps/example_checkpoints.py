"""The attention of a tiny model at 17 points of its training, in which an induction head forms: comes with Heed.

Made by ``python -m scripts.train_induction_model``. Guarded by tests/core/test_maps_example_checkpoints.py.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from ..records import AttentionMaps, map_tokens

CHECKPOINT_FILE = "example_checkpoints.npz"
EXAMPLE_TEXT = "river stone moon bread king lamp river stone moon bread king lamp"
"""What every checkpoint reads: six words, then the same six again."""


@cache
def example_checkpoints() -> tuple[tuple[str, AttentionMaps], ...]:
    """Returns (name, maps) of each checkpoint in order: 2 layers, 4 heads, 12 x 12 words."""
    with (
        resources.as_file(resources.files(__package__) / CHECKPOINT_FILE) as path,
        np.load(path, allow_pickle=False) as stored,
    ):
        values, steps = stored["attention"].astype(np.float32), stored["steps"].tolist()
    words = map_tokens(EXAMPLE_TEXT.split())
    return tuple(
        (f"step {step}", AttentionMaps(maps, words, words, causal=True, source=f"induction example · step {step}"))
        for step, maps in zip(steps, values, strict=True)
    )
