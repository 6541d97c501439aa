"""Keeps what was found out about a loaded model for as long as the model is in memory.

Guarded by tests/core/test_models_per_model.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Found = TypeVar("Found")


def once_per_model(find: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """Returns ``find``, a function of a transformers model, that is computed once for each model."""
    known: WeakKeyDictionary[Any, Found] = WeakKeyDictionary()

    @wraps(find)
    def found(hf: Any) -> Found:
        if hf not in known:
            known[hf] = find(hf)
        return known[hf]

    return found
