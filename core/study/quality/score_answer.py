"""Computes metrics of one answer: ``score`` takes a run and its references, ``score_answered`` a prepared record.

Both take names of METRICS and return one result for each of them, undefined ones included. Relevance is left to
``score_relevance`` unless it is requested by name: it needs an encoder, and is quick only over many answers at once.
Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import MethodError, PromptError
from ...records import Answered, Instruction, Trace
from .metric_value import MetricValue, undefined_value
from .metrics import METRICS, Better, EvidenceKind


@dataclass(frozen=True)
class Score:
    """One metric's value for one answer; ``value`` is None where ``why`` gives the reason."""

    name: str
    value: float | None
    unit: str
    better: Better
    kind: EvidenceKind
    why: str


def score(
    trace: Trace,
    metrics: Sequence[str] | None = None,
    reference: str | Sequence[str] | None = None,
    instructions: Iterable[Instruction | Mapping[str, Any]] | None = None,
) -> dict[str, Score]:
    """Returns {name: Score} of a run, for the named metrics (default: all of METRICS).

    ``reference``: one or more answers that count as right. ``instructions``: Instruction records, or mappings with
    ``id`` and ``kwargs``. Raises MethodError for an unknown metric, PromptError for instructions it cannot read.
    """
    values = score_answered(answered_of_trace(trace, reference, instructions), metrics)
    return {
        name: Score(name, v.value, METRICS[name].unit, METRICS[name].better, METRICS[name].kind, v.why)
        for name, v in values.items()
    }


def score_answered(record: Answered, names: Iterable[str] | None = None) -> dict[str, MetricValue]:
    """Returns {name: MetricValue} for the named metrics (default: all). Raises MethodError for an unknown one."""
    if names is None:
        late = undefined_value("relevance is computed when it is asked for by name, or over a whole study")
        return {n: late if m.late else m.function(record) for n, m in METRICS.items()}
    asked = [names] if isinstance(names, str) else list(names)
    unknown = [n for n in asked if n not in METRICS]
    if unknown:
        raise MethodError(f"There is no metric {unknown[0]!r}: choose from {', '.join(METRICS)}.")
    return {n: METRICS[n].function(record) for n in asked}


def answered_of_trace(
    trace: Trace,
    reference: str | Sequence[str] | None = None,
    instructions: Iterable[Instruction | Mapping[str, Any]] | None = None,
) -> Answered:
    """Returns the input of metrics from a run: the user's own text and the steps of the answer itself."""
    steps = trace.answer_steps
    output = trace.tokens.ids[trace.prompt_length :]
    return Answered(
        prompt=own_text_of(trace),
        answer=trace.answer,
        reference=(reference,) if isinstance(reference, str) else tuple(reference or ()),
        instructions=tuple(_instruction(i) for i in instructions or ()),
        truncated=trace.finish == "length",
        logprobs=trace.logprobs[steps],
        entropy=trace.entropy[steps],
        token_ids=output[steps],
        texts=tuple(trace.output_tokens[s] for s in steps),
    )


def own_text_of(trace: Trace) -> str:
    """Returns the user's own text: their messages joined by blank lines, without system and assistant messages."""
    request = trace.request
    if request.messages:
        return "\n\n".join(m.content for m in request.messages if m.role == "user")
    if request.text is not None:
        return request.text
    return "\n\n".join(s.text for s in trace.tokens.sources if s.origin == "user")


def _instruction(given: Instruction | Mapping[str, Any]) -> Instruction:
    if isinstance(given, Instruction):
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise PromptError('An instruction is a mapping such as {"id": "punctuation:no_comma", "kwargs": {}}.')
    kwargs = given.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise PromptError(f"The kwargs of instruction {given['id']} must be a mapping, not {kwargs!r}.")
    return Instruction(given["id"], {k: v for k, v in kwargs.items() if v is not None})
