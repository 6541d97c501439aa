"""Asks the judges of a study on Ray: each actor holds a judge's model, and the caller alone writes.

An answer is asked about as in this process. An actor or a node that ends costs the few answers that were on it: they
are asked about again by another one. Guarded by tests/core/test_study_judge_on_ray.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..cluster.actor_calls import calls_on_ray
from ..cluster.model_actors import ModelHolder
from ..cluster.ray_connection import RayEngine
from ..errors import HeedError
from ..progress import IsCancelled
from .judging import AnswerToJudge, AskJudge, JudgedAnswer, judge_answers
from .quality.metric_value import MetricValue, undefined_value
from .quality.own_metric import OwnMetric

TOGETHER = 8
"""Most answers of one call: a stop or an actor that ends loses no more."""
FEW = 16
"""Calls into which few answers are parted at least, so that all actors have some."""


class JudgeActor(ModelHolder):
    """Holds the loaded model of a judge."""

    def judge(self, judge: OwnMetric, asked: Sequence[AnswerToJudge]) -> list[MetricValue] | str:
        """Returns the score of each answer, or why this model cannot be the judge."""
        try:
            return [one.value for one in judge_answers(self._model, judge, asked, self._stop.is_set)]
        except HeedError as error:
            return str(error)


def ray_judge(engine: RayEngine, actor: type[JudgeActor] = JudgeActor) -> AskJudge:
    """Returns what asks a judge by actors on a cluster; ``actor``: their class.

    It raises StoreError where Ray, the cluster or room is not there, HeedError, Cancelled.
    """

    def ask(judge: OwnMetric, asked: Sequence[AnswerToJudge], cancelled: IsCancelled) -> Iterator[JudgedAnswer]:
        def call(handle: Any, part: Sequence[AnswerToJudge]) -> Any:
            return handle.judge.remote(judge, part)

        size = max(1, min(TOGETHER, len(asked) // FEW))
        parts = [asked[at : at + size] for at in range(0, len(asked), size)]
        with calls_on_ray(judge.model, engine, actor, len(parts), cancelled) as calls:
            while parts:
                alone: list[Sequence[AnswerToJudge]] = []
                for part, told in calls.results(parts, call, cancelled):
                    if isinstance(told, str):
                        raise HeedError(told)
                    if isinstance(told, HeedError) and len(part) > 1:
                        alone += [[one] for one in part]  # not all of them may end their process
                        continue
                    values = [undefined_value(str(told))] if isinstance(told, HeedError) else told
                    for one, value in zip(part, values, strict=True):
                        yield JudgedAnswer(one, value, calls.loaded["fingerprint"])
                parts = alone

    return ask
