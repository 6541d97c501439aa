"""Turns the reading of a part of the prompt up or down and shows what changes: one row for each factor, all in batches.

``steer`` walks a ladder of factors over one part; ``steer_by_layer`` lets one layer (or one head) at a time read the
part more; both are readings of ``steer_each``. The original answer is scored under every way by ``Scorer``, several in
one pass; what is written anew comes from ``capture_all``, so that each row is an ordinary run that can be stored and
opened. What the plain model thinks of each new answer says what it costs.

Guarded by tests/core/test_probe_steer_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..capture.batch_generation import capture_all
from ..capture.run_model import capture_errors
from ..capture.steering_rules import check_steerable, steering_rules
from ..capture.steering_words import part_name, part_spans, prompt_texts
from ..checks import check_choice, check_whole
from ..errors import Cancelled, HeedError, MethodError
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import LADDER, SCALE, Request, SteeredAnswers, Steering, Trace
from ..text.token_groups import tokens_in_spans
from .ablation import check_run
from .answer_likelihood import answer_likelihoods
from .variant_scoring import Scorer, Variant

STEERED_ANSWERS = ("anew", "same")
BATCH = 16
"""Answers that are written together."""


def steer(
    model: Any,
    trace: Trace,
    part: Any,
    factors: Sequence[float] = LADDER,
    answer: str = "anew",
    *,
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
    readers: str = "all",
    known: Mapping[str, Trace] | None = None,
    keep: Callable[[Trace], None] | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> SteeredAnswers:
    """Steers the run ``trace`` by each factor: its answer is scored, and with ``answer="anew"`` written again.

    ``part``: the name of a segment, words of the prompt, (message, start, end), or several such spans. ``layers``,
    ``heads``, ``readers``: where it applies, as in ``Steering``. ``known`` {run id: Trace} are runs that need not be
    made again; ``keep(trace)`` is called with each new one. Raises MethodError, PromptError, CaptureError, Cancelled.
    """
    made = part_steering(trace.request, part, factors, layers, heads, readers)
    return steer_each(model, trace, made, answer, known=known, keep=keep, progress=progress, cancelled=cancelled)


def part_steering(
    request: Request,
    part: Any,
    factors: Sequence[float],
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
    readers: str = "all",
) -> tuple[Steering, ...]:
    """Returns one Steering a factor for a part of a request's prompt. Raises PromptError."""
    texts = prompt_texts(request)
    spans = part_spans(part, texts, request.segments)
    name = part_name(part, spans, texts)
    where: dict[str, Any] = {"layers": tuple(layers), "heads": tuple(heads), "readers": readers}
    return tuple(Steering(spans, factor, name=name, **where) for factor in factors)


def steer_by_layer(
    model: Any,
    trace: Trace,
    part: Any,
    factor: float = 8.0,
    layer: int | None = None,
    *,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> SteeredAnswers:
    """Scores the answer of ``trace`` while one layer alone reads the part ``factor`` times, a row a layer.

    With ``layer``: a row for each head of that layer, alone. Raises as ``steer``.
    """
    check_run(model, trace, "Steering")
    ref = model.ref
    if layer is None:
        places: list[tuple[int, tuple[int, ...]]] = [(one, ()) for one in ref.attention_layers]
    else:
        check_whole("The layer", layer, 0, ref.layers - 1)
        places = [(layer, (head,)) for head in range(ref.heads)]
    made = [part_steering(trace.request, part, [factor], (one,), heads)[0] for one, heads in places]
    return steer_each(model, trace, made, "same", progress=progress, cancelled=cancelled)


def steer_each(
    model: Any,
    trace: Trace,
    steerings: Sequence[Steering],
    answer: str = "anew",
    *,
    known: Mapping[str, Trace] | None = None,
    keep: Callable[[Trace], None] | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> SteeredAnswers:
    """Steers the run ``trace`` in each of these ways; else as ``steer``."""
    began = time.monotonic()
    check_run(model, trace, "Steering")
    check_choice("The answer", answer, STEERED_ANSWERS)
    asked = tuple(steerings)
    if not asked:
        raise MethodError("There is no factor to steer by: give at least one, e.g. factors=[0.5, 2, 4].")
    if trace.request.steering:
        raise MethodError("This run is itself steered: steer the plain run of the same prompt.")
    if trace.steps == 0:
        raise MethodError("This run has no output to score: run it again with more new tokens.")
    for one in asked:
        check_steerable(model, [one])
    anew = answer == "anew"
    logprobs, base, shares = _scored(model, trace, asked, _part_of(progress, 0.0, 0.25 if anew else 1.0), cancelled)
    more: dict[str, Any] = {}
    if anew:
        runs = _written(model, trace, asked, dict(known or {}), keep, _part_of(progress, 0.25, 0.65), cancelled)
        progress(0.92, "What the plain model thinks of each answer", None)
        more = _described(model, trace, asked, runs, cancelled)
    return SteeredAnswers(
        trace_id=trace.id,
        steerings=asked,
        logprobs=logprobs,
        base=base,
        shares=shares,
        model=model.ref.caption,
        answer=trace.output_tokens,
        seconds=round(time.monotonic() - began, 3),
        **more,
    )


def steered_request(trace: Trace, one: Steering) -> Request:
    """Returns the request of the run that is steered so; a given answer becomes one that the model writes."""
    request = trace.request
    if request.scored:
        request = replace(request, answer=None, answer_ids=None, author="", max_new_tokens=max(trace.steps, 1))
    return replace(request, steering=(one,))


def _part_of(progress: Progress, start: float, width: float) -> Progress:
    return lambda fraction, text, stream=None: progress(start + width * (fraction or 0.0), text, None)


def _scored(
    model: Any, trace: Trace, asked: Sequence[Steering], progress: Progress, cancelled: IsCancelled
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (log-probabilities [R, T], base [T], shares [R]) of the original answer."""
    prompt, answer = trace.token_ids[: trace.prompt_length], trace.token_ids[trace.prompt_length :]
    variants = {
        i: Variant(prompt, rules=tuple(steering_rules(trace.tokens, trace.prompt_length, [one])))
        for i, one in enumerate(asked)
    }
    shares = np.full(len(asked), np.nan, np.float32)
    watched = (
        {}
        if model.ref.attention != "dispatch"
        else {
            i: _PartShare(tokens_in_spans(trace.tokens, one.spans), one, trace.answer_steps)
            for i, one in enumerate(asked)
        }
    )
    with model.lock, capture_errors(model.ref.label):
        scorer = Scorer(model, prompt, answer, cancelled)
        logprobs = scorer.score(variants, progress, "Steered", watch=watched)
    for i, share in watched.items():
        shares[i] = share.mean
    return logprobs, scorer.base, shares


class _PartShare:
    """Adds up what one variant's rows read of a part, over the layers and heads in question."""

    def __init__(self, inside: np.ndarray, one: Steering, steps: np.ndarray) -> None:
        self._inside, self._one = torch.from_numpy(inside[:-1].astype(np.float32)), one
        self._steps = torch.from_numpy(np.asarray(steps))
        self._total, self._count = 0.0, 0

    def __call__(self, layers: Sequence[int], start: int, weights: torch.Tensor) -> None:
        """Adds ``weights`` [layer, head, step, key] of all steps; keys begin at ``start``."""
        for layer, one in zip(layers, weights, strict=True):
            if self._one.layers and layer not in self._one.layers:
                continue
            rows = one[list(self._one.heads)] if self._one.heads else one
            read = rows[:, self._steps] @ self._inside[start : start + rows.shape[-1]].to(rows.device)
            self._total, self._count = self._total + float(read.double().sum()), self._count + read.numel()

    @property
    def mean(self) -> float:
        """The mean share over rows; NaN where there was none."""
        return self._total / self._count if self._count else float("nan")


def _written(
    model: Any,
    trace: Trace,
    asked: Sequence[Steering],
    known: dict[str, Trace],
    keep: Callable[[Trace], None] | None,
    progress: Progress,
    cancelled: IsCancelled,
) -> list[Trace]:
    """Returns the run of each row: known ones, and the others written in batches."""
    requests = [steered_request(trace, one) for one in asked]
    known[trace.id] = trace
    left = list({r.id: r for r in requests if r.id not in known}.values())
    for place, found in capture_all(model, left, batch=BATCH, progress=progress, cancelled=cancelled):
        if isinstance(found, HeedError):
            raise found
        known[left[place].id] = found
        if keep is not None:
            keep(found)
        if cancelled():
            raise Cancelled("Stopped.")
    return [known[r.id] for r in requests]


def _described(
    model: Any, trace: Trace, asked: Sequence[Steering], runs: Sequence[Trace], cancelled: IsCancelled
) -> dict[str, Any]:
    """Returns the fields of the record that tell about the new answers."""
    prompt = trace.token_ids[: trace.prompt_length]
    unique = {run.id: run for run in runs}
    answers = [run.token_ids[run.prompt_length :] for run in unique.values()]
    likely = dict(zip(unique, answer_likelihoods(model, prompt, answers, cancelled), strict=True))
    return {
        "answers": tuple(run.answer for run in runs),
        "answer_shares": [part_share(run, one) for run, one in zip(runs, asked, strict=True)],
        "answer_tokens": [len(run.answer_steps) for run in runs],
        "plain_logprobs": [float(likely[run.id].mean()) if len(likely[run.id]) else np.nan for run in runs],
        "finishes": tuple(run.finish for run in runs),
        "run_ids": tuple(run.id for run in runs),
    }


def part_share(trace: Trace, one: Steering) -> float:
    """Returns the mean share that the rows of a run's answer put on a part, over the layers and heads in question.

    NaN where the rows of single heads are not kept, or nothing was written.
    """
    rows, steps = trace.rows, np.asarray(trace.answer_steps)
    if rows is None or not len(steps):
        return float("nan")
    chosen = np.ones(len(rows.layers), bool)
    if one.layers:
        chosen &= np.isin(rows.layers, one.layers)
    if one.heads:
        chosen &= np.isin(rows.heads, one.heads)
    keys = np.flatnonzero(tokens_in_spans(trace.tokens, one.spans)[: trace.prompt_length])
    if not chosen.any() or (rows.heads[chosen] < 0).any():
        return float("nan")
    packed = rows.packed[np.ix_(np.flatnonzero(chosen), steps, keys)]
    return float(((packed.astype(np.float32) / SCALE) ** 2).sum(-1).mean())
