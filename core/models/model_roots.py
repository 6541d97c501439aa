"""Limits from which folders of this machine a model may be opened by its path: HEED_MODEL_ROOTS.

Unset, any path may be typed, as suits one person on their own machine. On a server that others reach, a visitor could
otherwise ask for any path and learn from the refusal whether it exists. The refusal says the same for every path
outside. Models by name (the catalogue, the hub) do not pass here. Guarded by tests/core/test_models_model_roots.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError
from ..settings import model_roots, real_path


def may_open(path: Path) -> bool:
    """Returns whether a model may be opened at ``path``, wherever its links lead."""
    roots = model_roots()
    if roots is None:
        return True
    real = real_path(str(path))
    return bool(real) and any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def check_may_open(path: Path) -> None:
    """Raises ModelError, the same sentence for every path outside, where ``may_open`` says no."""
    if not may_open(path):
        raise ModelError(
            "This server opens models from its own folders only: pick a model of the list or give a hub id, or ask who "
            "runs it to add a folder to HEED_MODEL_ROOTS."
        )
