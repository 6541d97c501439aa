"""Ablates parts of the prompt and measures how much less likely the same answer becomes: turns a Trace into a Probe.

There are two modes. ``mask``: no other token attends to the part, everything else stays where it is; the answer is
scored by a model that has lost exactly these keys. ``remove``: the part is deleted from what the user wrote, and the
prompt is rendered anew; the model reads a prompt that somebody could have written, in which everything behind the gap
has moved. Both score the very token ids that the run wrote. Neither is the truth alone: a masked word leaves a hole
that no training text has, a removed one changes positions and sometimes neighbouring tokens.

A token that lies in several units is hidden when at least half of it is (``HALF``). A variant that cannot be made has
NaN and is reported in ``notes``. Guarded by tests/core/test_probe_ablation.py.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..capture.run_model import capture_errors, check_model
from ..capture.steering_rules import leaky_sentence
from ..checks import short_repr
from ..errors import MethodError, PromptError
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import Probe, Trace, Units
from ..text.deletion import delete_spans, removable_spans
from ..text.render import render
from ..text.token_groups import HALF
from ..text.units import units as units_of
from .scorers import make_scorer, words_leak
from .variant_scoring import Variant

PROBE_MODES = ("mask", "remove")


@dataclass
class KnownScores:
    """What a knock-out has computed so far: filled while it runs, and given to the next one when it was stopped."""

    base: np.ndarray | None = None
    """float32 [step] with nothing hidden; where it differs now, the rows were computed otherwise and are not used."""
    rows: dict[int, np.ndarray] = field(default_factory=dict)
    """{variant: float32 [step]}"""


def knock_out(
    model: Any,
    trace: Trace,
    units: str = "word",
    mode: str = "mask",
    *,
    known: KnownScores | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Probe:
    """Ablates each unit of the prompt alone: ``probe.effect[unit, step]`` is the log-probability lost, in nats.

    ``units``: token, word, sentence, paragraph, segment or role, the columns of ``explain`` at this granularity.
    ``mode``: "mask" (hidden, positions kept) or "remove" (deleted, prompt rendered anew). ``model`` must be the one
    that made ``trace``. ``known`` is filled batch by batch; given again after a stop, only what is missing is computed.
    Raises MethodError, PromptError, CaptureError, Cancelled.
    """
    return _probe(model, trace, None, units, mode, known or KnownScores(), progress, cancelled)


def hide_units(
    model: Any,
    trace: Trace,
    masks: Any,
    units: str = "word",
    mode: str = "mask",
    *,
    known: KnownScores | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Probe:
    """Ablates units together: ``masks`` bool [variant, unit] (or [unit]), True is hidden. Else as ``knock_out``."""
    return _probe(model, trace, masks, units, mode, known or KnownScores(), progress, cancelled)


def _probe(
    model: Any,
    trace: Trace,
    masks: Any,
    granularity: str,
    mode: str,
    known: KnownScores,
    progress: Progress,
    cancelled: IsCancelled,
) -> Probe:
    began = time.monotonic()
    _check(model, trace, mode)
    units = units_of(trace.tokens, granularity, range(trace.prompt_length), trace.request.segments)
    wanted = np.eye(len(units), dtype=bool) if masks is None else _checked(masks, len(units))
    parts = hidden_tokens(units, wanted, trace.prompt_length)
    prompt, answer = trace.token_ids[: trace.prompt_length], trace.token_ids[trace.prompt_length :]
    progress(None, "Scoring the answer as it is", None)
    if mode == "mask":
        made, notes = _masked(prompt, wanted, parts)
    else:
        made, notes = _removed(model, trace, units, wanted, parts)
    able = [i for i, variant in enumerate(made) if variant is not None]
    logprobs = np.full((len(wanted), len(answer)), np.nan, np.float32)
    with model.lock, capture_errors(model.ref.label):
        if mode == "mask" and words_leak(model):
            raise MethodError(leaky_sentence(model.ref))
        scorer = make_scorer(model, trace, cancelled)
        if known.base is None or not np.array_equal(known.base, scorer.base):
            known.base, known.rows = scorer.base, {}
        what = f"Without {granularity}" if masks is None else "Variant"
        logprobs[able] = scorer.score({i: v for i, v in enumerate(made) if v is not None}, progress, what, known.rows)
    return Probe(
        trace_id=trace.id,
        units=units,
        masks=wanted,
        logprobs=logprobs,
        base=scorer.base,
        mode=mode,  # type: ignore[arg-type]
        model=model.ref.caption,
        parameters={"units": granularity, "each": masks is None},
        notes=notes,
        seconds=round(time.monotonic() - began, 3),
        answer=trace.output_tokens,
    )


def check_run(model: Any, trace: Any, what: str) -> None:
    """Raises MethodError unless ``trace`` is a run of the loaded ``model``; ``what`` needs it, in words."""
    check_model(model)
    if not isinstance(trace, Trace):
        raise MethodError(f"{what} needs the trace that run gave, not {short_repr(trace)}.")
    if trace.request.model.fingerprint != model.key.fingerprint:
        raise MethodError(
            f"This run was made by {trace.model.caption}, so {model.ref.caption} cannot score it: "
            "load the model that made it."
        )


def _check(model: Any, trace: Any, mode: str) -> None:
    check_run(model, trace, "Knocking out")
    if mode not in PROBE_MODES:
        raise MethodError(f"mode must be one of {', '.join(PROBE_MODES)}, not {short_repr(mode)}.")
    if trace.steps == 0:
        raise MethodError("This run has no output to score: run it again with more new tokens.")
    if mode == "remove" and trace.request.steering:
        raise MethodError(
            "This run was steered, and a prompt from which something is taken out has other places to steer: "
            'use mode="mask", which hides the words and keeps every place.'
        )
    if mode == "mask" and model.ref.attention == "none":
        raise MethodError(leaky_sentence(model.ref))


def _checked(masks: Any, count: int) -> np.ndarray:
    found = np.atleast_2d(np.asarray(masks))
    if found.ndim != 2 or found.shape[1] != count or found.dtype != bool:
        raise MethodError(
            f"The masks must be True or False for each of the {count} units, [variant, unit]; these are {found.dtype} "
            f"{list(found.shape)}."
        )
    return found


def hidden_tokens(units: Units, masks: np.ndarray, tokens: int) -> np.ndarray:
    """Returns bool [variant, token]: whether at least half of the token lies in the hidden units."""
    weight = np.zeros((len(units), tokens))
    np.add.at(weight, (units.unit, units.token), units.weight)
    return masks.astype(float) @ weight >= HALF


def _masked(prompt: np.ndarray, masks: np.ndarray, parts: np.ndarray) -> tuple[list[Variant | None], tuple[str, ...]]:
    """Makes masked variants and notes; None where a mask picks units but no token is at least half hidden by it."""
    rows = zip(masks, parts, strict=True)
    made = [Variant(prompt, part) if part.any() or not mask.any() else None for mask, part in rows]
    notes = []
    if any(variant is None for variant in made):
        notes.append("What shares its only token with something longer cannot be hidden alone and has no value.")
    return made, tuple(notes)


def _removed(
    model: Any, trace: Trace, units: Units, masks: np.ndarray, parts: np.ndarray
) -> tuple[list[Variant | None], tuple[str, ...]]:
    """Renders the prompt of each variant anew; None where that is impossible."""
    request, prompt = trace.request, trace.token_ids[: trace.prompt_length]
    if request.token_ids is not None:
        return _cut_ids(prompt, masks, parts)
    spans = removable_spans(trace.tokens, units, request.segments)
    made: list[Variant | None] = []
    notes: list[str] = []
    for mask in masks:
        picked = np.flatnonzero(mask)
        if not all(spans[u] for u in picked):
            made.append(None)
            notes.append("Only the user's own text can be removed: markup and what a template added have no value.")
            continue
        try:
            shorter = delete_spans(
                request, [span for u in picked for span in spans[u]]
            )  # the same where none is picked
            again = render(model.tokenizer, shorter, has_template=model.ref.has_template)
            made.append(Variant(again.tokens.ids))
        except PromptError as error:
            made.append(None)
            notes.append(f"A variant could not be made: {error}")
    return made, tuple(dict.fromkeys(notes))


def _cut_ids(prompt: np.ndarray, masks: np.ndarray, parts: np.ndarray) -> tuple[list[Variant | None], tuple[str, ...]]:
    able = [(part.any() or not mask.any()) and not part.all() for mask, part in zip(masks, parts, strict=True)]
    made = [Variant(prompt[~part]) if can else None for part, can in zip(parts, able, strict=True)]
    return made, ("The prompt was given as token ids: the ids themselves were removed.",)
