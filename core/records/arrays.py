"""Checks and freezes the arrays of records. They are read-only, so that a record can be shared."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen_array(value: Any, dtype: Any, ndim: int, name: str) -> np.ndarray:
    """Returns ``value`` as a read-only array of ``dtype``. Raises ValueError where it has not ``ndim`` axes."""
    out = np.asarray(value, dtype=dtype)
    if out.ndim != ndim:
        raise ValueError(f"{name} has {out.ndim} axes {out.shape}, expected {ndim}.")
    if out.flags.writeable:
        out = out.view()
        out.flags.writeable = False
    return out


def check_shape(name: str, seen: tuple, expected: tuple) -> None:
    """Raises ValueError where a shape is not the expected one."""
    if tuple(seen) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(seen)}, expected {tuple(expected)}.")


def set_fields(record: Any, **values: Any) -> None:
    """Sets fields of a frozen record while it is being made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)
