"""Jobs that run studies, for the pages; the result is the study's id.

Runs are made in processes of their own, so that Explore need not wait for a model that is busy for hours. Cancelling
pauses: every finished cell is kept, and queueing the same work again continues. ``open_work`` computes one run of a
study again, with all its rows, so that it opens in Explore like any other. Guarded by
tests/core/test_jobs_study_jobs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..cluster.ray_connection import RayEngine
from ..errors import Cancelled
from ..progress import IsCancelled, Progress
from ..runs import loading_progress, make_run
from ..study.plan import Plan
from ..study.study import Study
from .job import Work

StudyName = Plan | str | Path
"""A plan, the path of a plan.json, or the id of a study."""


def study_work(
    what: StudyName, workers: int | None = None, retry: bool = False, engine: RayEngine | None = None
) -> Work:
    """Returns the job that runs what is not done of a study; ``retry``: also what failed; ``engine``: on Ray."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        def run(study: Study) -> None:
            if retry:
                study.retry()
            study.run(workers, progress, cancelled, apart=True, engine=engine)

        return _with(what, run, cancelled)

    return do


def pilot_work(what: StudyName, items: int = 10, workers: int | None = None, engine: RayEngine | None = None) -> Work:
    """Returns the job that runs all cells of the first few items."""
    return lambda progress, cancelled: _with(
        what, lambda study: study.pilot(items, workers, progress, cancelled, apart=True, engine=engine), cancelled
    )


def encoder_work(what: StudyName | None = None) -> Work:
    """Returns the job that fetches the encoder for relevance scores, and computes those of a study if one is named."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        from ..study.quality.encoder import fetch_encoder

        fetch_encoder(loading_progress(progress), cancelled)
        return "" if what is None else _with(what, lambda study: study.relevance(progress, cancelled), cancelled)

    return do


def open_work(what: StudyName, cell: str) -> Work:
    """Returns the job that recomputes and stores one run of a study; the result is the run's id, for ``?run=``."""

    def do(progress: Progress, cancelled: IsCancelled) -> str:
        study = Study(what)
        try:
            request = study.request(cell)
        finally:
            study.close()
        return make_run(request, progress, cancelled)

    return do


def _with(what: StudyName, do: Callable[[Study], Any], cancelled: IsCancelled) -> str:
    study = Study(what)
    try:
        do(study)
        if cancelled():
            raise Cancelled("Stopped.")
        return study.id
    finally:
        study.close()
