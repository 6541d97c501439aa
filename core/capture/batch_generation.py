"""Runs many greedy requests of one model in batches; each Trace equals that of a single run.

Prompts are padded on the left, so that all answers begin at the same position; each row's attention is gathered without
the padding before it. Matrices of sixteen rows cost little more than those of one, which is what makes studies
affordable. Batched sums are taken in another order, so log-probabilities differ by some 1e-5 in fp32: where the two
best tokens are closer than that another token may win, which ``near_ties`` counts.

What cannot share a batch runs alone through ``capture``: sampled runs (one random state), given answers, stop texts,
runs that keep components, models on the eager path, and models that do not survive left padding, which is tried once
per model. Guarded by tests/core/test_capture_batch_generation.py (equal to one at a time).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from ..errors import Cancelled, HeedError
from ..models.attention import EmitValues, Recorder, recording
from ..models.memory_estimate import available_memory
from ..models.packed_attention import Prefix
from ..models.per_model import once_per_model
from ..models.self_check import probe_ids
from ..models.token_steering import TokenSteering
from ..models.value_norms import norms_of_values
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import Request, Trace
from ..text.render import render
from ..text.rendered_prompt import RenderedPrompt
from .decode import Written, check_length, end_ids
from .gather import Gather
from .run_model import capture, capture_errors, check_model, make_trace
from .steering_rules import check_steerable, steered, steering_rules
from .token_scores import SCORE_NAMES, Scores, score_logits

CLOSE = 1e-4
"""In nats: the order of two tokens closer than this may differ between a batch and a single run."""
PASTS_SHARE = 0.25
"""Part of the free memory that keys and values may take which are kept for later passes."""
TOLERANCE = 1e-3
"""In nats: largest accepted difference between a padded run and the same run alone, when a model is checked."""


def capture_all(
    model: Any,
    requests: Sequence[Request],
    *,
    batch: int = 16,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
    pasts: dict[int, Prefix] | None = None,
) -> Iterator[tuple[int, Trace | HeedError]]:
    """Runs all requests, ``batch`` at a time, and yields (index in ``requests``, Trace or error) as they finish.

    The order is the caller's except that runs of like length share a batch. Raises Cancelled; what was yielded before
    stays valid. One failing run leaves the others alone. ``pasts`` is filled with {index: keys and values of all tokens
    but the last} of runs that were made in a batch, as far as memory allows: what reads them again need not compute
    them.
    """
    check_model(model)
    able = _batchable(model)
    together = [i for i, r in enumerate(requests) if able and can_batch(r)]
    alone = [i for i in range(len(requests)) if i not in set(together)]
    ready, broken = _rendered(model, requests, together)
    yield from broken
    ready.sort(key=lambda r: (requests[r[0]].max_new_tokens, len(r[1].tokens), r[0]))
    for part in _batches(ready, requests, batch):
        try:
            yield from _together(model, [(i, requests[i], prompt) for i, prompt in part], progress, cancelled, pasts)
        except Cancelled:
            raise
        except HeedError:
            alone += [i for i, _ in part]  # too much for one batch is not too much for one run
    for i in alone:
        yield i, _alone(model, requests[i], progress, cancelled)


def can_batch(request: Request) -> bool:
    """Returns whether a run may be made in a batch: greedy, written by the model, without stop texts or components."""
    return request.temperature == 0 and not request.scored and not request.stop and request.keep != "components"


def near_ties(trace: Trace) -> int:
    """Counts the steps at which the two best tokens are within ``CLOSE`` nats of each other."""
    best = trace.alternative_logprobs
    return int((best[:, 0] - best[:, 1] < CLOSE).sum()) if best.shape[1] > 1 else 0


def _alone(model: Any, request: Request, progress: Progress, cancelled: IsCancelled) -> Trace | HeedError:
    try:
        return capture(model, request, progress, cancelled)
    except Cancelled:
        raise
    except HeedError as error:
        return error


Ready = tuple[int, RenderedPrompt]


def _rendered(
    model: Any, requests: Sequence[Request], places: Sequence[int]
) -> tuple[list[Ready], list[tuple[int, HeedError]]]:
    ready: list[Ready] = []
    broken: list[tuple[int, HeedError]] = []
    for i in places:
        try:
            prompt = render(model.tokenizer, requests[i], has_template=model.ref.has_template)
            check_length(model, len(prompt.tokens), requests[i].max_new_tokens)
            check_steerable(model, requests[i].steering)
            steering_rules(prompt.tokens, len(prompt.tokens), requests[i].steering)  # raises for this one alone
            ready.append((i, prompt))
        except HeedError as error:
            broken.append((i, error))
    return ready, broken


def _batches(ready: Sequence[Ready], requests: Sequence[Request], size: int) -> Iterator[list[Ready]]:
    """Yields batches of at most ``size`` runs with the same token limit, in their order."""
    part: list[Ready] = []
    for one in ready:
        limit = requests[one[0]].max_new_tokens
        if part and (len(part) >= max(size, 1) or requests[part[0][0]].max_new_tokens != limit):
            yield part
            part = []
        part.append(one)
    if part:
        yield part


class _Raw(LogitsProcessor):
    """Collects the scores of every step from the raw logits, before any other processor, for all runs of the batch."""

    def __init__(self) -> None:
        self._held: torch.Tensor | None = None
        self._parts: list[Scores] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.flush(input_ids)
        self._held = scores
        return scores

    def flush(self, input_ids: torch.Tensor) -> None:
        if self._held is not None:
            self._parts.append(score_logits(self._held, input_ids[:, -1]))
        self._held = None

    def of(self, row: int, steps: int) -> Scores:
        return Scores(*(np.stack([getattr(p, n)[row] for p in self._parts[:steps]]) for n in SCORE_NAMES))


class _Pace(StoppingCriteria):
    """Reports the batch's progress after each step and raises Cancelled where requested."""

    def __init__(self, start: int, limit: int, size: int, progress: Progress, cancelled: IsCancelled) -> None:
        self._start, self._limit, self._size = start, limit, size
        self._progress, self._cancelled = progress, cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._cancelled():
            raise Cancelled("Stopped.")
        steps = input_ids.shape[1] - self._start
        self._progress(steps / self._limit, f"Token {steps} of at most {self._limit} of {self._size} runs", None)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


@dataclass(frozen=True)
class _Sorter:
    """Passes each run of the batch its own attention rows, with the padding before it cut off."""

    gathers: Sequence[Gather]
    pads: Sequence[int]

    def __call__(self, layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for row, (gather, pad) in enumerate(zip(self.gathers, self.pads, strict=True)):
            mine = weights[:, row : row + 1, ..., max(pad - start, 0) :]
            gather(layers, first, max(start - pad, 0), mine)

    def add_norms(self, layer: int, first: int, norms: torch.Tensor) -> None:
        """The same for what each head writes, [run, H, K]."""
        for row, (gather, pad) in enumerate(zip(self.gathers, self.pads, strict=True)):
            gather.add_norms(layer, max(first - pad, 0), norms[row : row + 1, :, max(pad - first, 0) :])


class _Pasts:
    """Keeps the keys and values of all layers of a batch, each as it comes: a recorder's ``emit_keys`` and values."""

    def __init__(self, then: EmitValues | None) -> None:
        self._then = then
        self._keys: dict[int, list[torch.Tensor]] = {}
        self._values: dict[int, list[torch.Tensor]] = {}

    def add_keys(self, layer: int, first: int, keys: torch.Tensor) -> None:
        self._keys.setdefault(layer, []).append(keys)

    def add_values(self, layer: int, first: int, values: torch.Tensor) -> None:
        self._values.setdefault(layer, []).append(values)
        if self._then is not None:
            self._then(layer, first, values)

    def whole(self) -> Prefix:
        """Returns {layer: keys and values [run, shared head, token, d]} of the batch, its padding included."""
        return {at: (_one(keys), _one(self._values[at])) for at, keys in self._keys.items()}


def _one(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=2)


def _past_of(whole: Prefix, row: int, pad: int, tokens: int) -> Prefix:
    """Returns one run's keys and values, without the padding before it and what was written after its end."""
    own = slice(row, row + 1), slice(None), slice(pad, pad + tokens)
    return {at: (keys[own], values[own]) for at, (keys, values) in whole.items()}


def _room_for_pasts(model: Any, runs: int, tokens: int) -> bool:
    """Returns whether the keys and values of a batch can be kept beside those that it is written with."""
    width = int(getattr(model.hf.config.get_text_config(), "hidden_size", 0) or 1024)
    return 2 * runs * tokens * model.ref.layers * width * 4 <= available_memory() * PASTS_SHARE


def _together(
    model: Any,
    asked: Sequence[tuple[int, Request, RenderedPrompt]],
    progress: Progress,
    cancelled: IsCancelled,
    pasts: dict[int, Prefix] | None,
) -> Iterator[tuple[int, Trace]]:
    began = time.monotonic()
    limit = asked[0][1].max_new_tokens
    prompts = [prompt.tokens.ids.tolist() for _, _, prompt in asked]
    gathers = [
        Gather(
            *(p.tokens, r.segments, limit, r.keep, model.ref.attention_layers, model.hf.device), heads=model.ref.heads
        )
        for _, r, p in asked
    ]
    longest = max(map(len, prompts))
    pads = [longest - len(ids) for ids in prompts]
    raw, pace = _Raw(), _Pace(longest, limit, len(asked), progress, cancelled)
    rules = [
        rule
        for row, (_, r, p) in enumerate(asked)
        for rule in steering_rules(p.tokens, len(p.tokens), r.steering, row, pads[row])
    ]
    sorter, norms = _Sorter(gathers, pads), any(gather.keeps_norms for gather in gathers)
    steering = TokenSteering(rules, cancelled)
    with model.lock, capture_errors(model.ref.label), steered(model.hf, steering):
        values = norms_of_values(model, sorter.add_norms) if norms else None
        past = _Pasts(values) if pasts is not None and _room_for_pasts(model, len(asked), longest + limit) else None
        emit = {"emit_values": values} if past is None else {"emit_values": past.add_values, "emit_keys": past.add_keys}
        recorder = Recorder(sorter, cancelled=cancelled, **emit)
        with recording(recorder):
            written = generate_padded(model.hf, prompts, limit, [raw], [pace])
        raw.flush(written)
    seconds = (time.monotonic() - began) / len(asked)
    ends, whole = end_ids(model.hf), None if past is None else past.whole()
    for row, ((i, request, prompt), gather) in enumerate(zip(asked, gathers, strict=True)):
        ids = _cut(written[row, longest:].tolist(), ends)
        finished = Written(ids, raw.of(row, len(ids)), "end" if ids[-1] in ends else "length")
        if whole is not None and pasts is not None:
            pasts[i] = _past_of(whole, row, pads[row], len(prompts[row]) + len(ids) - 1)
        yield i, make_trace(model, request, prompt, prompt.notes + model.ref.notes, finished, gather, seconds)


def _cut(ids: list[int], ends: frozenset[int]) -> list[int]:
    """Returns the ids up to the first end token, without the padding behind it."""
    for at, token in enumerate(ids):
        if token in ends:
            return ids[: at + 1]
    return ids


def generate_padded(
    hf: Any, prompts: Sequence[Sequence[int]], limit: int, processors: Any = (), criteria: Any = ()
) -> torch.Tensor:
    """Generates greedily from left-padded prompts and returns int64 [run, longest prompt + steps]."""
    longest, ends = max(map(len, prompts)), end_ids(hf)
    fill = hf.generation_config.pad_token_id
    fill = next(iter(sorted(ends)), 0) if fill is None else int(fill)
    ids = torch.tensor([[fill] * (longest - len(p)) + list(p) for p in prompts], device=hf.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=hf.device)
    config = GenerationConfig(
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=hf.generation_config.eos_token_id,
        pad_token_id=fill,
        bos_token_id=hf.generation_config.bos_token_id,
    )
    with torch.no_grad():
        return hf.generate(
            ids,
            attention_mask=mask,
            generation_config=config,
            logits_processor=list(processors),
            stopping_criteria=list(criteria),
        )


def _batchable(model: Any) -> bool:
    """Returns whether left padding leaves this model's results unchanged: tried once per model on two prompts."""
    if model.ref.attention != "dispatch" or model.ref.kind != "decoder":
        return False
    with model.lock:
        return _survives_padding(model.hf)


@once_per_model
def _survives_padding(hf: Any) -> bool:
    ids = probe_ids(hf, 12)[0].tolist()
    prompts = [ids, ids[5:]]
    try:
        both, first = _scores(hf, prompts)
        singles = [_scores(hf, [p]) for p in prompts]
    except Exception:  # a family that cannot be padded fails in its own way
        return False
    for row, (alone, word) in enumerate(singles):
        steps = 2 if word[0] == first[row] else 1  # after another first word the second says nothing
        if (both[:steps, row] - alone[:steps, 0]).abs().max() > TOLERANCE:
            return False
    return True


def _scores(hf: Any, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, list[int]]:
    """Returns (log-probabilities [2, run, V] of two steps, the first token of each run)."""
    seen: list[torch.Tensor] = []

    class Look(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            seen.append(torch.log_softmax(scores.float(), dim=-1))
            return scores

    written = generate_padded(hf, prompts, 2, [Look()])
    seen += seen[-1:] * (2 - len(seen))
    return torch.stack(seen), written[:, max(map(len, prompts))].tolist()
