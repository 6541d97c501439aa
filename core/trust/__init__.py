"""Measures how far an importance can be trusted: what happens to the answer when what it points at is hidden."""

from .faithfulness import (
    BASELINES,
    FEWEST_UNITS,
    MASKS,
    RankScore,
    check_masks,
    datamodelling_scores,
    half_masks,
    run_scores,
)

__all__ = [
    "BASELINES",
    "FEWEST_UNITS",
    "MASKS",
    "RankScore",
    "check_masks",
    "datamodelling_scores",
    "half_masks",
    "run_scores",
]
