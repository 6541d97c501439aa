"""Runs a study's requests on a loaded model: returns a digest and the ablation effects of each. Called by workers.

Runs are captured in batches; each is digested and its parts are ablated as it comes, so that nothing large is kept. A
run that fails keeps its reason and leaves the others alone. Guarded by tests/core/test_study_features.py.
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

    plain = PlainScores(model, cancelled)
    given = study_records(model.key)
    keep: Any = "components" if components else "all"  # the entropy of heads' rows needs every head
    requests = [replace(a.request, keep=keep) for a in asked]
    for place, trace in capture_all(model, requests, batch=batch, progress=progress, cancelled=cancelled):
        one = asked[place]
        if isinstance(trace, HeedError):
            yield StudyResult(one.key, one.request.id, error=str(trace))
            continue
        try:
            yield _result(model, one, trace, effects, methods, given, plain, cancelled)
        except Cancelled:
            raise
        except HeedError as error:
            yield StudyResult(one.key, one.request.id, error=str(error))
        except Exception as error:
            yield StudyResult(
                one.key, one.request.id, error=f"This run failed while it was measured ({error_reason(error)})."
            )


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


def _result(
    model: Any,
    one: StudyRun,
    trace: Trace,
    effects: bool,
    methods: Sequence[str] | None,
    given: Mapping[str, Any],
    plain: PlainScores,
    cancelled: IsCancelled,
) -> StudyResult:
    from ..capture.batch_generation import near_ties

    began = time.monotonic()
    found = make_digest(trace, methods, given)
    lost: dict[str, float] = {}
    if one.request.steering:
        lost |= plain.of(trace)
    elif effects and len(trace.answer_steps):
        from ..probe.segment_ablation import ablate_segments

        parts = ablated_parts(one)
        different = {tuple(spans): name for name, spans in reversed(parts.items())}
        values = ablate_segments(model, trace, {n: s for s, n in different.items()}, cancelled=cancelled)
        for name, spans in parts.items():
            for mode, said in PART_SPANS.items():
                steps = values[different[tuple(spans)], mode][trace.answer_steps]
                lost[f"{said}_total_{name}"] = float(np.sum(steps, dtype=np.float64))
    return StudyResult(
        key=one.key,
        run=one.request.id,
        digest=found,
        effects=lost,
        near_ties=near_ties(trace),
        seconds=trace.seconds + time.monotonic() - began,
        prompt_tokens=trace.prompt_length,
        output_tokens=trace.steps,
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
