"""Attributes an answer to its prompt by a backward pass, or by attention followed through all layers.

* ``input-x-gradient`` and ``integrated-gradients`` (Sundararajan et al. 2017): over the embeddings, from zero, by
  Captum. The values are nats: how much of the log-probability of the target is put down to each token, to first order.
  Integrated gradients go from zero to the embeddings of the user's own words alone, the rest of the prompt stays: with
  markup or the first token at zero as well, the sinks that models keep there break down and come back on the way, and
  the sum misses by 100 nats of 135 (SmolLM2 135M, 16 points; the way taken here: by 2 of 42). They add up to what the
  target loses without these embeddings, less the gap that is told.
* ``attention-x-gradient``: each weight of attention times the gradient of the target by it, summed over layers and
  heads, for the steps of the answer. With o = sum_j a_j v_j the gradient by a_j is (gradient by o) . v_j, so one
  backward pass over the fast path is enough and no [T, T] array is made.
* ``rollout`` (Abnar & Zuidema 2020): the mean attention of each layer mixed half and half with the token itself, and
  these multiplied from the first layer to the last, a layer at a time. It takes the residual stream for one half and
  what heads write for as large as their weights.

A target is the log-probability of a span of the answer, or with ``against`` the log-odds of its first token over
another one: why this word rather than that one. Guarded by tests/core/test_probe_gradients.py.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..capture.run_model import capture_errors
from ..capture.steering_rules import steered_run
from ..checks import short_repr
from ..errors import Cancelled, MethodError
from ..models.attention import Recorder, recording
from ..models.stoppable import stopping
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import ATTRIBUTIONS, Attribution, Trace
from ..records.attribution import POINTS
from .ablation import check_run

TOKENS_AT_ONCE = 256
"""Tokens in one backward pass of integrated gradients: short texts pass through several points at once."""
ROLLOUT_TOKENS = 4096
"""Longer runs need [T, T] arrays of more than 64 MB a layer."""


def attribute(
    model: Any,
    trace: Trace,
    kind: str,
    spans: Sequence[tuple[int, int]] | None = None,
    *,
    against: int | None = None,
    points: int = POINTS,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Attribution:
    """Attributes spans of the answer (first step, one past the last) to every token before them.

    ``kind``: one of ATTRIBUTIONS. ``spans`` None: the whole answer as one, in one backward pass; for ``rollout``, which
    costs one pass whatever the spans, every step alone. ``against``: a token id; the target is then log P(first token
    of the span) less that of this id. Raises MethodError, CaptureError, Cancelled.
    """
    began = time.monotonic()
    picked = _checked(model, trace, kind, spans, against)
    notes: tuple[str, ...] = ()
    with model.lock, capture_errors(model.ref.label), steered_run(model.hf, trace), stopping(model.hf, cancelled):
        if kind == "rollout":
            rolled = _rollout(model, trace, cancelled)
            values = np.stack([rolled[a:b].mean(0) for a, b in picked])
        else:
            found, gaps = [], []
            for i, span in enumerate(picked):
                _stop(cancelled)
                progress(i / len(picked), f"Backward pass {i + 1} of {len(picked)}", None)
                target = _Target(model, trace, span, against)
                value, gap = _KINDS[kind](target, points)
                found.append(value)
                gaps.append(gap)
            values = np.stack(found)
            worst = max(gaps)
            if worst:
                notes = (f"Integrated gradients miss their sum by at most {worst:.2g} nats with {points} points.",)
    parameters: dict[str, Any] = {"against": against} if against is not None else {}
    if kind == "integrated-gradients":
        parameters["points"] = points
    seconds = round(time.monotonic() - began, 3)
    return Attribution(trace.id, kind, np.array(picked), values, model.ref.caption, parameters, notes, seconds)


def _stop(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Cancelled("Stopped.")


def _checked(model: Any, trace: Any, kind: str, spans: Any, against: int | None) -> list[tuple[int, int]]:
    check_run(model, trace, "An attribution")
    if kind not in ATTRIBUTIONS:
        raise MethodError(f"kind must be one of {', '.join(ATTRIBUTIONS)}, not {short_repr(kind)}.")
    if model.ref.kind != "decoder":
        raise MethodError(
            f"{kind} is not computed for an encoder-decoder such as {model.ref.label}: choose Leaving out, which hides "
            "words, or a decoder-only model."
        )
    if any(one.target is not None for one in trace.request.steering):
        raise MethodError(f"{kind} is not computed for a run steered to a target share: steer by a factor instead.")
    if kind in ("attention-x-gradient", "rollout") and model.ref.attention != "dispatch":
        raise MethodError(f"{kind} needs the fast path, and {model.ref.label} runs on another: choose another method.")
    if kind == "rollout" and len(trace.tokens) > ROLLOUT_TOKENS:
        raise MethodError(
            f"Rollout reads runs of up to {ROLLOUT_TOKENS:,} tokens: choose another method or a shorter text."
        )
    if against is not None and kind == "rollout":
        raise MethodError("Rollout knows no words that were not written: choose a method of gradients.")
    steps = trace.answer_steps
    if spans is None and kind == "rollout":
        spans = [(step, step + 1) for step in range(trace.steps)]
    picked = [(int(steps[0]), int(steps[-1]) + 1)] if spans is None and len(steps) else list(spans or ())
    if not picked or not all(0 <= a < b <= trace.steps for a, b in picked):
        raise MethodError(
            f"The spans must be steps of the answer, from 0 to {trace.steps}: {short_repr(picked)} are not."
        )
    return [(int(a), int(b)) for a, b in picked]


class _Target:
    """The number that is attributed, as a function of the embeddings."""

    def __init__(self, model: Any, trace: Trace, span: tuple[int, int], against: int | None) -> None:
        self.hf, (self.first, self.last), self.against = model.hf, span, against
        self.keys = len(trace.tokens) - 1
        p = trace.prompt_length
        self.end = p + (self.first + 1 if against is not None else self.last) - 1
        """Tokens that the target can read: none after its last row."""
        ids = torch.from_numpy(np.array(trace.token_ids)).to(self.hf.device)
        self.start = p - 1 + self.first
        self.written = ids[self.start + 1 : self.end + 1]
        own = np.array(trace.tokens.own[: self.end]) & (np.arange(self.end) < p)
        self.own = torch.from_numpy(own if own.any() else np.arange(self.end) < p).to(self.hf.device)
        """bool [end]: the user's own words; all of the prompt where none are known."""
        with torch.no_grad():
            self.embedded = self.hf.get_input_embeddings()(ids[None, : self.end]).detach()
        self.keeps = "logits_to_keep" in inspect.signature(self.hf.forward).parameters

    def __call__(self, embedded: torch.Tensor) -> torch.Tensor:
        """Returns float32 [B]: the target in nats."""
        settings = {"logits_to_keep": torch.arange(self.start, self.end, device=embedded.device)} if self.keeps else {}
        mask = torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device)
        logits = self.hf(inputs_embeds=embedded, attention_mask=mask, use_cache=False, **settings).logits.float()
        logits = logits if self.keeps else logits[:, self.start : self.end]
        if self.against is not None:
            return logits[:, 0, self.written[0]] - logits[:, 0, self.against]
        picked = logits.gather(-1, self.written.expand(len(embedded), -1)[..., None])[..., 0]
        return (picked - torch.logsumexp(logits, -1)).sum(-1)

    def padded(self, values: torch.Tensor) -> np.ndarray:
        """Returns float32 [key] of ``values`` [1, read token]: tokens after the target have 0."""
        out = np.zeros(self.keys, np.float32)
        out[: self.end] = values[0].float().cpu().numpy()
        return out


@contextmanager
def _frozen(hf: Any) -> Iterator[None]:
    """Gradients by the weights are not wanted: they would double time and memory."""
    wanted = [parameter for parameter in hf.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def _input_x_gradient(target: _Target, points: int) -> tuple[np.ndarray, float]:
    from captum.attr import InputXGradient

    with _frozen(target.hf):
        found = InputXGradient(target).attribute(target.embedded.requires_grad_())
    return target.padded(found.detach().sum(-1)), 0.0


def _integrated(target: _Target, points: int) -> tuple[np.ndarray, float]:
    from captum.attr import IntegratedGradients

    zero = target.embedded.masked_fill(target.own[None, :, None], 0.0)
    together = min(points, max(1, TOKENS_AT_ONCE // target.end))
    with _frozen(target.hf):
        found, gap = IntegratedGradients(target).attribute(
            target.embedded, zero, n_steps=points, internal_batch_size=together, return_convergence_delta=True
        )
    return target.padded(found.detach().sum(-1)), float(gap.abs().max())


class _WithGradient(Recorder):
    """Keeps each layer's rows, values and output, so that a backward pass reaches the weights of attention."""

    def __init__(self, first: int) -> None:
        super().__init__(self._keep, first)
        self._rows: list[torch.Tensor] = []
        self.kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        """(rows [1, H, row, K], values [1, shared head, K, d], output [1, Q, H, d]) of each layer."""

    def _keep(self, layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        self._rows.extend(weights)

    def take(self, module: Any, query: Any, key: Any, value: Any, mask: Any, settings: Any, out: torch.Tensor) -> None:
        """Called by the attention function."""
        with torch.no_grad():
            super().take(module, query.detach(), key.detach(), value.detach(), mask, settings, out)
            self.finish()
        out.retain_grad()
        rows = self._rows.pop()
        self.kept.append((rows, value.detach()[:, :, : rows.shape[-1]], out))


def _attention_x_gradient(target: _Target, points: int) -> tuple[np.ndarray, float]:
    rows = target.end - target.start
    recorder = _WithGradient(rows)
    with _frozen(target.hf):
        with recording(recorder):
            value = target(target.embedded.requires_grad_())
        value.sum().backward()
    total = torch.zeros(1, target.end, device=target.embedded.device)
    for weights, values, out in recorder.kept:
        assert out.grad is not None
        wide = values.repeat_interleave(weights.shape[1] // values.shape[1], 1)
        slope = torch.einsum("brhd,bhkd->bhrk", out.grad[:, -rows:].float(), wide.float())
        total += (weights * slope).sum((1, 2))
    return target.padded(total), 0.0


_KINDS: dict[str, Callable[[_Target, int], tuple[np.ndarray, float]]] = {
    "input-x-gradient": _input_x_gradient,
    "integrated-gradients": _integrated,
    "attention-x-gradient": _attention_x_gradient,
}


def _rollout(model: Any, trace: Trace, cancelled: IsCancelled) -> np.ndarray:
    """Returns float32 [step, key]: shares of every token before the step's, by the rolled-out rows."""
    ids = torch.from_numpy(np.array(trace.token_ids[:-1]))[None].to(model.hf.device)
    tokens = ids.shape[1]
    order = sorted(model.ref.attention_layers)
    waiting: dict[int, torch.Tensor] = {}
    rolled = torch.eye(tokens, device=ids.device)

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        nonlocal rolled
        waiting.update(zip(layers, weights[:, 0].mean(1), strict=True))
        while order and order[0] in waiting:
            rolled = 0.5 * (waiting.pop(order.pop(0)) @ rolled) + 0.5 * rolled

    keeps = "logits_to_keep" in inspect.signature(model.hf.forward).parameters
    settings = {"logits_to_keep": 1} if keeps else {}
    with torch.no_grad(), recording(Recorder(emit, tokens, cancelled, at_once=True)):
        model.hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **settings)
    return rolled[trace.prompt_length - 1 :].cpu().numpy()
