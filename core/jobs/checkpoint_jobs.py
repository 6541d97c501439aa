"""The job that reads one text with every checkpoint of a model in training.

Guarded by tests/core/test_capture_checkpoint_maps.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..progress import IsCancelled, Progress
from .job import Work


def checkpoints_work(folder: str | Path, text: str) -> Work:
    """Returns the job of ``read_checkpoints``: its result is (name, AttentionMaps) of each checkpoint, in order."""

    def do(progress: Progress, cancelled: IsCancelled) -> Any:
        from ..capture.checkpoint_maps import read_checkpoints

        return read_checkpoints(folder, text, progress, cancelled)

    return do
