"""Computes the table rows of a run from its stored digest: features, metrics, and one row per instruction.

The same functions write a row when a run is done and again when everything is recomputed from the stored digests, so
that a study started with an older Heed has the columns of a newer one. A metric that fails is undefined with its reason
and leaves the run alone. Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ..errors import error_reason
from ..records import Answered, Digest, Instruction, Item, Request
from .database import sql_number
from .features import digest_features, effect_features, feature_columns, span_features
from .quality.metric_value import MetricValue
from .quality.own_metric import JUDGE, OwnMetric, own_value

LOG = logging.getLogger("heed")
Values = dict[str, float | None]


def answered_of_digest(
    item: Item, request: Request, digest: Digest, told: tuple[Instruction, ...], rating: float | None
) -> Answered:
    """Returns the input of metrics, from what is stored of a run."""
    steps = digest.answer_steps
    first = digest.prompt_length
    own = [m.content for m in request.messages if m.role == "user"]
    return Answered(
        prompt="\n\n".join(own) if request.messages else (request.text or ""),
        answer=digest.answer,
        reference=item.reference,
        instructions=told,
        truncated=digest.truncated,
        logprobs=digest.logprobs[steps],
        entropy=digest.entropy[steps],
        token_ids=digest.ids[first:][steps],
        rating=rating,
        task=item.task,
        texts=tuple(digest.texts[first + int(s)] for s in steps),
        scores=item.scores,
    )


def run_values(
    record: Answered, digest: Digest, effects: Mapping[str, float], own: Iterable[OwnMetric] = ()
) -> tuple[Values, dict[str, str]]:
    """Returns ({column: value or None}, {metric: why it is undefined}) of one run, for every feature and metric.

    ``own``: the metrics of its plan; a judge's scores are asked for later, as relevance is.
    """
    found: Values = dict.fromkeys(feature_columns(digest.methods))
    why: dict[str, str] = {}
    for features in (lambda: digest_features(digest), lambda: effect_features(effects, len(digest.answer_steps))):
        _fill(found, why, "features", features)
    from .quality import METRICS

    asked = {name: partial(_scored, record, name) for name, metric in METRICS.items() if not metric.late}
    asked |= {m.column: partial(own_value, m, record) for m in own if m.kind != JUDGE}
    found |= record.scores
    for name, ask in asked.items():  # ``Study.score`` fills in the late ones
        try:
            value = ask()
            found[name], said = value.value, value.why
        except Exception as error:
            LOG.warning("The metric %s failed.", name, exc_info=error)
            found[name], said = None, f"it failed ({error_reason(error)})"
        if found[name] is None:
            why[name] = said
    return {name: sql_number(value) for name, value in found.items()}, why


def _scored(record: Answered, name: str) -> MetricValue:
    from .quality import score_answered

    return score_answered(record, [name])[name]


def _fill(found: Values, why: dict[str, str], name: str, make: Callable[[], Mapping[str, float]]) -> None:
    try:
        found.update(make())
    except Exception as error:
        LOG.warning("The features of a run failed.", exc_info=error)
        why[name] = f"they failed ({error_reason(error)})"


def instruction_rows(record: Answered, digest: Digest, effects: Mapping[str, float]) -> list[dict[str, Any]]:
    """Returns one row per instruction, without the columns that identify the run."""
    from .quality.instructions import verdicts

    tokens = len(digest.answer_steps)
    rows = []
    for number, (told, verdict) in enumerate(zip(record.instructions, verdicts(record), strict=True), 1):
        place = told.spans[0] if told.spans else (None, None, None)
        name = f"check {number}"
        share = _spared(digest, name) if told.spans else {}
        rows.append(
            {
                "number": number,
                "id": told.id,
                "kwargs": json.dumps(dict(told.kwargs), ensure_ascii=False),
                "message": place[0],
                "start": place[1],
                "end": place[2],
                "share": sql_number(share.get("share")),
                "multiple": sql_number(share.get("multiple")),
                "masked": _per_token(effects.get(f"masked_total_{name}"), tokens),
                "removed": _per_token(effects.get(f"removed_total_{name}"), tokens),
                "strict": None if verdict.strict is None else float(verdict.strict),
                "loose": None if verdict.loose is None else float(verdict.loose),
                "why": verdict.why or ("" if told.spans else "the prompt does not ask for it in words that were found"),
            }
        )
    return rows


def _spared(digest: Digest, name: str) -> Mapping[str, float]:
    try:
        return span_features(digest, name)
    except Exception as error:
        LOG.warning("The features of an instruction failed.", exc_info=error)
        return {}


def _per_token(total: float | None, tokens: int) -> float | None:
    return sql_number(total / tokens) if total is not None and tokens else None
