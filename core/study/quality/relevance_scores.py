"""Scores relevance: whether an answer is nearer to its own prompt than to the other prompts of its task.

A cosine by itself says little: an answer that repeats the prompt is very near to it, and any two questions about
history are near each other. So the measure is the rank of the run's own prompt among the distinct prompts of the same
task, as 1 / rank; the cosine is given as well (and ``copy_share``, the words taken over). Ties count for the run's own
prompt. Guarded by tests/core/test_quality_encoder.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...records import Answered
from .metric_value import EMPTY, MetricValue, defined_value, undefined_value

if TYPE_CHECKING:
    import pandas as pd

Encode = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]
ALONE = "the study has only one prompt of this task"
TIE = 1e-6


def score_relevance(
    answers: Sequence[str], prompts: Sequence[str], tasks: Sequence[str], encode: Encode | None = None
) -> pd.DataFrame:
    """Returns one row per answer: ``relevance_rank`` in (0, 1], ``relevance_cosine``, and three columns about them.

    These are ``truncated`` (answer or prompt was longer than the encoder reads), ``why_rank`` and ``why_cosine`` (why
    the value is NaN). ``prompts``: each answer's prompt, best the item's own words without the structure around them,
    so that one item's layouts are one prompt. Raises NotFetched without the encoder, ValueError where the lists differ
    in length.
    """
    import pandas as pd

    if encode is None:
        from .encoder import encode_texts as minilm

        encode = minilm
    if not len(answers) == len(prompts) == len(tasks):
        raise ValueError(f"{len(answers)} answers, {len(prompts)} prompts and {len(tasks)} tasks: give one of each.")
    distinct = list(dict.fromkeys([*answers, *prompts]))
    vectors, long = encode(distinct)
    at = {text: i for i, text in enumerate(distinct)}
    others = {
        task: np.array([at[p] for p in dict.fromkeys(p for p, t in zip(prompts, tasks, strict=True) if t == task)], int)
        for task in dict.fromkeys(tasks)
    }
    rows = []
    for answer, prompt, task in zip(answers, prompts, tasks, strict=True):
        near = vectors[others[task]] @ vectors[at[answer]]
        own = float(vectors[at[prompt]] @ vectors[at[answer]])
        rank, cosine = undefined_value(EMPTY), undefined_value(EMPTY)
        if answer.strip():
            rank, cosine = _rank(near, own), defined_value(own)
        cut = bool(long[at[answer]] or long[at[prompt]])
        rows.append((_plain(rank), _plain(cosine), cut, rank.why, cosine.why))
    return pd.DataFrame(rows, columns=["relevance_rank", "relevance_cosine", "truncated", "why_rank", "why_cosine"])


def _rank(near: np.ndarray, own: float) -> MetricValue:
    """Returns 1 / (1 + number of prompts that are nearer)."""
    return defined_value(1 / (1 + int((near > own + TIE).sum()))) if len(near) > 1 else undefined_value(ALONE)


def _plain(value: MetricValue) -> float:
    return float("nan") if value.value is None else value.value


def relevance_cosine_of(answered: Answered) -> MetricValue:
    """Returns the cosine for one answer; undefined where the encoder is not on this machine."""
    from .encoder import embed_texts, encoder_is_fetched

    if not answered.answer.strip():
        return undefined_value(EMPTY)
    if not encoder_is_fetched():
        return undefined_value("all-MiniLM-L6-v2 is not on this machine: core.study.quality.fetch_encoder() fetches it")
    a, b = embed_texts([answered.answer, answered.prompt])
    return defined_value(float(a @ b))
