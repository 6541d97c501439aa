"""What a method is given: a run, the picked layers and heads, and the records that it needs beside the run.

Guarded by tests/core/test_importance_methods.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..records import Rows, Trace

MAPS_AT_ONCE = 16
"""Maps decoded together: keeps memory at a few MB whatever the model."""


@dataclass(frozen=True)
class MethodInput:
    """The inputs of a method."""

    trace: Trace
    maps: np.ndarray
    """int [maps]: indices in ``trace.rows`` of the picked layers and heads; empty for a method that needs no rows."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """{need: record} of everything that the method needs beside the rows."""
    steps: Any = field(default_factory=lambda: slice(None))
    """The steps that are wanted, where not all are: a slice or an index array."""

    @property
    def rows(self) -> Rows:
        """The rows of the run; only for methods that need them."""
        assert self.trace.rows is not None
        return self.trace.rows

    def norms(self, maps: np.ndarray) -> np.ndarray:
        """Returns float32 [map, key] of ``maps``: what each head would write for a key with all its attention."""
        assert self.trace.norms is not None
        places = np.searchsorted(self.trace.model.attention_layers, self.rows.layers[maps])
        return self.trace.norms[places, self.rows.heads[maps]].astype(np.float32)
