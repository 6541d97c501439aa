"""Runs a study's requests on a loaded model: returns a digest and the ablation effects of each. Called by workers.

Runs are captured in batches; each is digested as it comes, so that nothing large is kept, and the parts of a batch of
runs are ablated together. A run that fails keeps its reason and leaves the others alone. Guarded by
tests/core/test_study_features.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import Cancelled, CaptureError, HeedError, error_reason
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import Digest, Instruction, MessageSpan, ModelKey, Request, Trace
from .digest import make_digest
from .unsteered_runs import PLAIN_LOGPROB

PART_SPANS = {"mask": "masked", "remove": "removed"}


@dataclass(frozen=True)
class StudyRun:
    """One run of a study, ready for the model."""

    key: str
    """Id of the cell."""
    request: Request
    instructions: tuple[Instruction, ...] = ()
    """With their spans in this layout."""


@dataclass(frozen=True)
class StudyResult:
    """The outcome of one run: a digest and the effects of its parts, or an error."""

    key: str
    run: str
    digest: Digest | None = None
    effects: dict[str, float] = field(default_factory=dict)
    """``masked_total_SEG`` and ``removed_total_SEG``: nats that the answer loses; SEG a segment, ``check`` or ``check
    N``."""
    error: str = ""
    near_ties: int = 0
    """Steps whose two best tokens are within 1e-4 nats: there a batch may write another word than a single run."""
    seconds: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0


class PlainScores:
    """What the model without steering thinks of steered answers; a prompt that several share is read once."""

    def __init__(self, model: Any, cancelled: IsCancelled = never_cancelled) -> None:
        self._model, self._cancelled = model, cancelled
        self._last: Any = None

    def of(self, trace: Trace) -> dict[str, float]:
        """Returns {PLAIN_LOGPROB: mean over the answer's tokens, nats}; nothing for an empty answer."""
        from ..probe.answer_likelihood import PromptScorer

        steps, prompt = trace.answer_steps, trace.token_ids[: trace.prompt_length]
        if not len(steps):
            return {}
        last = self._last
        if last is None or not np.array_equal(last.prompt, prompt):
            last = self._last = PromptScorer(self._model, prompt, self._cancelled)
        (found,) = last.score([trace.token_ids[trace.prompt_length :]])
        return {PLAIN_LOGPROB: float(found[steps].mean(dtype=np.float64))}


def compute_runs(
    model: Any,
    asked: Sequence[StudyRun],
    *,
    effects: bool = True,
    batch: int = 16,
    methods: Sequence[str] | None = None,
    components: bool = False,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Iterator[StudyResult]:
    """Yields a StudyResult for each of ``asked``, as they finish. Raises Cancelled; earlier results stay valid.

    ``components``: the model's other parts are recorded too, for the features that are made of them; such runs cannot
    share a batch.
    """
    from ..capture.batch_generation import capture_all
    from ..probe.segment_ablation import packs_runs

    plain = PlainScores(model, cancelled)
    given = study_records(model.key)
    keep: Any = "components" if components else "all"  # the entropy of heads' rows needs every head
    requests = [replace(a.request, keep=keep) for a in asked]
    pasts: dict[int, Any] | None = {} if effects and packs_runs(model) else None
    waiting: list[_Digested] = []
    for place, trace in capture_all(model, requests, batch=batch, progress=progress, cancelled=cancelled, pasts=pasts):
        one = asked[place]
        past = None if pasts is None else pasts.pop(place, None)
        if isinstance(trace, HeedError):
            yield StudyResult(one.key, one.request.id, error=str(trace))
            continue
        try:
            made = _digested(one, trace, past, methods, given)
            if one.request.steering:
                yield _result(made, plain.of(trace))
            elif not effects or not len(trace.answer_steps):
                yield _result(made, {})
            else:
                waiting.append(made)
        except Cancelled:
            raise
        except Exception as error:
            yield _failed(one, error)
        if len(waiting) >= batch:
            yield from _ablated(model, waiting, cancelled)
            waiting = []
    yield from _ablated(model, waiting, cancelled)


def read_again(
    model: Any, request: Request, found: Digest, methods: Sequence[str], cancelled: IsCancelled = never_cancelled
) -> Digest:
    """Returns a new digest of a finished run: the answer that it holds is read in one pass, not written again.

    For methods that were added to a plan, and for what digests of older versions lack. Raises CaptureError and
    PromptError where the model cannot read it.
    """
    from ..capture.run_model import capture

    if request.model.fingerprint != model.key.fingerprint:
        raise CaptureError(
            f"The files of {request.model.name} have changed since this run was made: its answer cannot be read again."
        )
    ids = tuple(found.ids[found.prompt_length :].tolist())
    asked = replace(request, model=model.key, answer=None, answer_ids=ids, keep="all")
    trace = capture(model, asked, cancelled=cancelled)
    made = make_digest(trace, methods, study_records(request.model))
    if made.ids.tolist() != found.ids.tolist():
        raise CaptureError("The prompt is tokenised otherwise than when this run was made: run the study anew.")
    return replace(made, run=found.run, answer=found.answer, finish=found.finish, parts=found.parts)


def study_records(model: ModelKey) -> dict[str, Any]:
    """Returns what methods may need beside a run in a study: the weights learned for its model's heads, or nothing."""
    from ..trust.league_files import head_weights

    learned = head_weights(model.fingerprint)
    return {} if learned is None else {"weights": learned}


@dataclass(frozen=True, eq=False)
class _Digested:
    """A finished run whose parts are not ablated yet: without its attention rows, which are large."""

    run: StudyRun
    trace: Trace
    digest: Digest
    seconds: float
    past: Any = None
    """Keys and values of its tokens, see ``capture_all``."""


def _digested(
    one: StudyRun, trace: Trace, past: Any, methods: Sequence[str] | None, given: Mapping[str, Any]
) -> _Digested:
    began = time.monotonic()
    found = make_digest(trace, methods, given)
    seconds = trace.seconds + time.monotonic() - began
    return _Digested(one, replace(trace, rows=None, encoder_rows=None, decoder_rows=None), found, seconds, past)


def _ablated(model: Any, waiting: Sequence[_Digested], cancelled: IsCancelled) -> Iterator[StudyResult]:
    """Ablates the parts of several runs together; where that fails, of each alone, so that one leaves the others."""
    from ..probe.segment_ablation import RunParts, ablate_runs

    began = time.monotonic()
    parts = [ablated_parts(one.run) for one in waiting]
    different = [{tuple(spans): name for name, spans in reversed(some.items())} for some in parts]
    asked = [
        RunParts(one.trace, {name: spans for spans, name in some.items()}, one.past)
        for one, some in zip(waiting, different, strict=True)
    ]
    values: list[Any] = []
    try:
        values = ablate_runs(model, asked, cancelled=cancelled)
    except Cancelled:
        raise
    except Exception as error:
        if len(waiting) == 1:
            yield _failed(waiting[0].run, error)
            return
        for one in waiting:
            yield from _ablated(model, [one], cancelled)
        return
    spent = (time.monotonic() - began) / max(len(waiting), 1)
    for one, named, known, lost in zip(waiting, parts, different, values, strict=True):
        totals = {}
        for name, spans in named.items():
            for mode, said in PART_SPANS.items():
                steps = lost[known[tuple(spans)], mode][one.trace.answer_steps]
                totals[f"{said}_total_{name}"] = float(np.sum(steps, dtype=np.float64))
        yield _result(one, totals, spent)


def _result(one: _Digested, effects: dict[str, float], spent: float = 0.0) -> StudyResult:
    from ..capture.batch_generation import near_ties

    return StudyResult(
        key=one.run.key,
        run=one.run.request.id,
        digest=one.digest,
        effects=effects,
        near_ties=near_ties(one.trace),
        seconds=one.seconds + spent,
        prompt_tokens=one.trace.prompt_length,
        output_tokens=one.trace.steps,
    )


def _failed(one: StudyRun, error: Exception) -> StudyResult:
    said = str(error) if isinstance(error, HeedError) else ""
    return StudyResult(
        one.key, one.request.id, error=said or f"This run failed while it was measured ({error_reason(error)})."
    )


def ablated_parts(one: StudyRun) -> dict[str, list[MessageSpan]]:
    """Returns {name: spans} to ablate: segments by name, each instruction's span as ``check N``, all as ``check``."""
    parts: dict[str, list[MessageSpan]] = {}
    for s in one.request.segments:
        if not s.name.startswith("check"):
            parts.setdefault(s.name, []).append((s.message, s.start, s.end))
    checks = [list(i.spans) for i in one.instructions]
    for number, spans in enumerate(checks, 1):
        if spans:
            parts[f"check {number}"] = spans
    every = sorted({span for spans in checks for span in spans})
    if every:
        parts["check"] = every
    return {name: sorted(spans) for name, spans in parts.items()}
