"""Scores one answer of an encoder-decoder behind many variants of its input, a batch of variants per pass.

Hidden words are masked for the encoder and for cross-attention alike, so nothing reads them; every other token keeps
its place. Variants of different length are padded on the right and the padding masked. An input of which nothing is
left has no score. Guarded by tests/core/test_probe_encdec_scoring.py: batched equals one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..errors import Cancelled
from ..models.eager_attention import decoder_start
from ..models.self_check import EXACT, TOLERANCE, probe_ids
from ..progress import IsCancelled, Progress
from .packed_scoring import answer_logs
from .variant_scoring import Variant

PASS_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens of input and output in one pass; other devices take as many as the processor."""


class EncdecScorer:
    """Scores ``answer`` behind variants of ``prompt`` (token ids). The model's lock must be held."""

    def __init__(self, model: Any, prompt: np.ndarray, answer: np.ndarray, cancelled: IsCancelled) -> None:
        self._hf, self._answer, self._cancelled = model.hf, np.array(answer), cancelled
        self.base = self._pass([Variant(np.array(prompt))])[0]
        """float32 [T]: log-probabilities behind the original prompt."""

    def score(
        self, variants: Mapping[int, Variant], progress: Progress, what: str, known: dict[int, np.ndarray] | None = None
    ) -> np.ndarray:
        """Returns float32 [variant, T], NaN where a variant hides everything; else as ``Scorer.score``."""
        rows = {} if known is None else known
        left = sorted((i for i in variants if i not in rows), key=lambda i: -len(variants[i].ids))
        size = max((len(variants[i].ids) for i in left), default=1) + len(self._answer)
        together = max(1, PASS_TOKENS.get(self._hf.device.type, PASS_TOKENS["cpu"]) // size)
        for first in range(0, len(left), together):
            if self._cancelled():
                raise Cancelled("Stopped.")
            batch = left[first : first + together]
            done = len(variants) - len(left) + first
            progress(done / len(variants), f"{what} {done + 1} of {len(variants)}", None)
            rows.update(zip(batch, self._pass([variants[i] for i in batch]), strict=True))
        return np.array([rows[i] for i in variants], np.float32).reshape(len(variants), len(self._answer))

    def _pass(self, batch: list[Variant]) -> np.ndarray:
        """Returns float32 [len(batch), T]."""
        hf, longest = self._hf, max(len(v.ids) for v in batch)
        ids = np.full((len(batch), longest), int(hf.generation_config.pad_token_id or 0), np.int64)
        mask = np.zeros(ids.shape, np.int64)
        for row, variant in enumerate(batch):
            n = len(variant.ids)
            ids[row, :n] = variant.ids
            mask[row, :n] = 1 if variant.hidden is None else ~variant.hidden
        answer = torch.from_numpy(self._answer).to(hf.device)
        behind = torch.cat([answer.new_tensor([decoder_start(hf)]), answer[:-1]])
        with torch.no_grad():
            logits = hf(
                input_ids=torch.from_numpy(ids).to(hf.device),
                attention_mask=torch.from_numpy(mask).to(hf.device),
                decoder_input_ids=behind.expand(len(batch), -1),
                use_cache=False,
            ).logits
        logs = torch.stack([answer_logs(row, answer) for row in logits]).cpu().numpy()
        logs[~mask.any(1)] = np.nan
        return logs


def encdec_leaks(hf: Any) -> bool:
    """Returns whether a hidden token of the input still changes what is written: then words cannot be hidden."""
    ids = probe_ids(hf).repeat(2, 1)
    at = ids.shape[1] // 2
    ids[1, at] = (ids[1, at] + 1) % int(hf.config.get_text_config().vocab_size)
    mask = torch.ones_like(ids)
    mask[:, at] = 0
    behind = torch.cat([torch.full_like(ids[:, :1], decoder_start(hf)), ids[:1, :4].expand(2, -1)], dim=1)
    with torch.no_grad():
        logits = hf(input_ids=ids, attention_mask=mask, decoder_input_ids=behind, use_cache=False).logits
    logs = torch.log_softmax(logits.float(), dim=-1)
    return not bool(((logs[0] - logs[1]).abs().max() <= (EXACT if hf.dtype == torch.float32 else TOLERANCE)).item())
