"""The job that measures which methods are right about a model, and keeps its league.

Model libraries are imported when a job runs. Guarded by tests/core/test_jobs_trust_jobs.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..cluster.ray_connection import RayEngine
from ..progress import IsCancelled, Progress
from ..runs import loading_progress
from ..trust.trust_prompts import TrustPrompt
from .job import Work


def league_work(model: str, prompts: Sequence[TrustPrompt], engine: RayEngine | None = None) -> Work:
    """Returns the job that measures ``model`` (a name) on ``prompts``; its result is the model's fingerprint.

    ``engine``: on Ray, where this process then loads no model.
    """

    def here(progress: Progress, cancelled: IsCancelled) -> str:
        from ..models import in_bfloat16, load_model
        from ..trust.measure_league import measure_league

        loaded = load_model(model, progress=loading_progress(progress), cancelled=cancelled)
        return measure_league(loaded, prompts, in_bfloat16(loaded), progress=progress, cancelled=cancelled).fingerprint

    def on_ray(progress: Progress, cancelled: IsCancelled) -> str:
        from ..trust.measure_league import measure_league_by
        from ..trust.measure_on_ray import measurer_on_ray

        assert engine is not None
        progress(None, "Loading the model on Ray", None)
        with measurer_on_ray(model, engine, len(prompts), cancelled) as measurer:
            return measure_league_by(measurer, prompts, progress=progress, cancelled=cancelled).fingerprint

    return here if engine is None else on_ray
