"""The job that lets a model read a text and stores its attention maps; the result is the id of the stored reading.

Guarded by tests/core/test_jobs_text_jobs.py.
"""

from __future__ import annotations

from ..progress import IsCancelled, Progress
from ..records import TextRequest
from ..text_readings import TextDraft, text_maps
from .job import Work


def text_work(what: TextDraft | TextRequest) -> Work:
    """Returns the job of one text: its result is the id for ``load_maps``. A stored text is not read again."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        return text_maps(what, progress, cancelled).id

    return do
