"""Scores given answers behind their prompts by the plain model; a prompt that several answers share is read once.

Answers are padded on the right: no token attends to what comes after it, so the padding needs no mask. Guarded by
tests/core/test_probe_answer_likelihood.py: equal to one run each that reads the given answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ..capture.run_model import capture_errors
from ..models.token_steering import TokenSteering, steer_tokens
from ..progress import IsCancelled, never_cancelled
from .packed_scoring import answer_logs
from .variant_scoring import MANY, TOKENS, _is_plain, _plain_attention, expanded_cache


class PromptScorer:
    """Scores any answers behind one prompt, whose keys and values are computed once where the model allows it."""

    def __init__(self, model: Any, prompt: np.ndarray, cancelled: IsCancelled = never_cancelled) -> None:
        """``model`` is a loaded decoder; its lock must not be held. Raises CaptureError, Cancelled."""
        self._model, self._hf, self._cancelled = model, model.hf, cancelled
        self.prompt = np.array(prompt, np.int64)
        self._keeps = "logits_to_keep" in inspect.signature(self._hf.forward).parameters
        self._prefix: list[tuple[torch.Tensor, torch.Tensor]] | None = None
        self._next: torch.Tensor | None = None
        """[V]: logits behind the prompt."""
        if _plain_attention(model):
            with model.lock, capture_errors(model.ref.label):
                logits, cache = self._forward(self.prompt[None], None, 1)
            if _is_plain(cache, len(self.prompt)):
                self._prefix = [(layer.keys, layer.values) for layer in cache.layers]
                self._next = logits[0, -1]

    def score(self, answers: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns float32 [T] for each of ``answers`` (token ids [T]): log-probability of each token.

        Raises CaptureError, Cancelled.
        """
        out: list[np.ndarray] = [np.zeros(0, np.float32)] * len(answers)
        order = sorted((i for i, answer in enumerate(answers) if len(answer)), key=lambda i: -len(answers[i]))
        limit = TOKENS.get(self._hf.device.type, MANY)
        with self._model.lock, capture_errors(self._model.ref.label):
            while order:
                before = 0 if self._prefix is not None else len(self.prompt)
                size = max(1, limit // (before + len(answers[order[0]])))
                batch, order = order[:size], order[size:]
                for i, found in zip(batch, self._batch([np.array(answers[i]) for i in batch]), strict=True):
                    out[i] = found
        return out

    def _batch(self, answers: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
        longest = max(map(len, answers))
        ids = np.zeros((len(answers), longest), np.int64)
        for row, answer in enumerate(answers):
            ids[row, : len(answer)] = answer
        if self._prefix is None or self._next is None:
            both = np.concatenate([np.tile(self.prompt, (len(answers), 1)), ids[:, :-1]], axis=1)
            logits = self._forward(both, None, longest)[0]
        elif longest == 1:
            logits = self._next.expand(len(answers), 1, -1)
        else:
            after = self._forward(ids[:, :-1], expanded_cache(self._prefix, len(self.prompt), len(answers)), longest)[0]
            logits = torch.cat([self._next.expand(len(answers), 1, -1), after], dim=1)
        for row, answer in enumerate(answers):
            wanted = torch.from_numpy(answer).to(self._hf.device)
            yield answer_logs(logits[row, : len(answer)], wanted).cpu().numpy()

    def _forward(self, ids: np.ndarray, cache: Any, steps: int) -> tuple[torch.Tensor, Any]:
        """Returns (logits of the last ``steps`` tokens or fewer, cache)."""
        given = torch.from_numpy(ids).to(self._hf.device)
        total = given.shape[1] + (0 if cache is None else len(self.prompt))
        first = max(given.shape[1] - steps, 0)
        settings: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
        if self._keeps:
            settings["logits_to_keep"] = torch.arange(first, given.shape[1], device=given.device)
        with torch.no_grad(), steer_tokens(self._hf, TokenSteering((), self._cancelled)):
            out = self._hf(
                input_ids=given,
                attention_mask=torch.ones((len(ids), total), dtype=torch.long, device=given.device),
                use_cache=cache is not None or steps == 1,
                **settings,
            )
        return out.logits if self._keeps else out.logits[:, first:], getattr(out, "past_key_values", None)


def answer_likelihoods(
    model: Any, prompt: np.ndarray, answers: Sequence[np.ndarray], cancelled: IsCancelled = never_cancelled
) -> list[np.ndarray]:
    """Returns float32 [T] for each of ``answers`` (token ids [T]) behind ``prompt`` (token ids [P]).

    What the plain model gives to each token, in nats. ``model`` is a loaded decoder. Raises CaptureError, Cancelled.
    """
    return PromptScorer(model, prompt, cancelled).score(answers)
