"""Several runs by the same words: aligning, comparing, agreement, stability, minimal pairs.

Lazy, as ``core`` itself. No module here has the name of a function (see core.lazy).
"""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "compare": "core.comparing.beside",
    "side_by_side": "core.comparing.beside",
    "common_granularity": "core.comparing.beside",
    "cells": "core.comparing.grids",
    "run_cells": "core.comparing.grids",
    "Cells": "core.comparing.grids",
    "ranked": "core.comparing.tables",
    "tidy": "core.comparing.tables",
    "outputs": "core.comparing.answers",
    "word_diff": "core.comparing.answers",
    "Piece": "core.comparing.answers",
    "stability": "core.comparing.repeats",
    "Stability": "core.comparing.repeats",
    "propose": "core.comparing.edits",
    "expand": "core.comparing.pairs",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)
