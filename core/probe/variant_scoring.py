"""Scores one answer behind many variants of a prompt, a batch of variants per teacher-forced pass.

What makes it fast: all of the answer is scored at once, so a variant costs one pass and not one per token. Everything
before the first difference from the original prompt is computed once: its keys and values are taken from the cache of
the first pass, wherever the model has a plain one. Logits are made for the answer's steps only.

Where the model allows it, variants stand behind one another in one row (``packed_scoring``): nothing is padded, and
hidden tokens are not computed. Else batches have one width, chosen so that they stay in memory, and similar variants
share one. They are padded on the right: no token attends to what comes after it, so the padding needs no mask, and
positions count as always. Guarded by tests/core/test_probe_ablation.py: batched equals one by one.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..models.attention import Recorder, recording
from ..models.packed_attention import Prefix
from ..models.token_steering import KeyRule, TokenSteering, steer_tokens
from ..progress import IsCancelled, Progress
from .packed_scoring import PackedText, answer_logs, can_pack, score_packed

TOKENS = {"cpu": 1024}
"""Tokens per batch: enough to fill a processor; other devices take MANY."""
MANY = 16384
SHARE = 0.25
"""Part of the free memory that a batch may take; on the CPU also at most MOST_BATCH_BYTES bytes."""
MOST_BATCH_BYTES = 1 << 30
WASTE = 1.25
"""A batch is closed before padding and repeated prefixes make it this much larger than its variants need."""


Watch = Callable[[Sequence[int], int, torch.Tensor], None]
"""watch(layers, position of the first key, weights [layer, head, step, key]): the rows that score one variant."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One version of the prompt."""

    ids: np.ndarray
    """int64 [n]: the prompt's tokens."""
    hidden: np.ndarray | None = None
    """bool [n], True: hidden from every other token."""
    rules: tuple[KeyRule, ...] = ()
    """How some of its tokens are read otherwise."""


@dataclass(frozen=True)
class _Job:
    """A variant to score: where its result goes, and how many of its tokens are new."""

    place: int
    variant: Variant
    shared: int
    """Number of leading tokens that are as in the original."""

    @property
    def length(self) -> int:
        return len(self.variant.ids)


class Scorer:
    """Scores ``answer`` behind variants of ``prompt`` (token ids). The model's lock must be held."""

    def __init__(
        self,
        model: Any,
        prompt: np.ndarray,
        answer: np.ndarray,
        cancelled: IsCancelled,
        rules: Sequence[KeyRule] = (),
    ) -> None:
        """``rules``: what the run itself was steered by; they hold for every variant, whose prompt keeps its places."""
        self._model, self._hf = model, model.hf
        self._prompt, self._answer = prompt, np.array(answer)  # a copy: torch wants no read-only memory
        self._cancelled, self._rules = cancelled, tuple(rules)
        self._keeps = "logits_to_keep" in inspect.signature(self._hf.forward).parameters
        self._prefix: Any = None
        self._watch: Mapping[int, Watch] = {}
        self._packing = False
        self.base = self._first()
        """float32 [T]: log-probabilities behind the original prompt."""

    def score(
        self,
        variants: Mapping[int, Variant],
        progress: Progress,
        what: str,
        known: dict[int, np.ndarray] | None = None,
        watch: Mapping[int, Watch] | None = None,
    ) -> np.ndarray:
        """Returns float32 [variant, T]; ``progress`` gets "``what`` 3 of 64". Raises Cancelled.

        ``known`` {variant: float32 [T]} is what an earlier call left when it was stopped, and is filled batch by batch.
        The batches that remain are those that would have come: going on gives the same numbers to the last bit.
        ``watch`` {variant: what sees its rows}, for variants as long as the prompt on the dispatch path.
        """
        self._watch = watch or {}
        rows = {} if known is None else known
        jobs = [_Job(i, v, self._shared(v)) for i, v in variants.items() if i not in rows]
        done, spent, work = len(variants) - len(jobs), 0, sum(map(self._tokens, jobs))
        for batch in self._batches(jobs):
            progress(spent / max(work, 1), f"{what} {done + 1} of {len(variants)}", None)
            rows.update(zip([job.place for job in batch], self._pass(batch), strict=True))
            done, spent = done + len(batch), spent + sum(map(self._tokens, batch))
        return np.array([rows[i] for i in variants], np.float32).reshape(len(variants), len(self._answer))

    def _first(self) -> np.ndarray:
        """Scores the original prompt; keeps its cache where later passes can start from it."""
        whole = _Job(0, Variant(self._prompt), 0)
        plain = _plain_attention(self._model)
        logs, cache = self._forward([whole], 0, None, keep_cache=plain)
        if plain and _is_plain(cache, len(self._prompt) + len(self._answer) - 1):
            self._prefix = [(layer.keys, layer.values) for layer in cache.layers]
            self._packing = not self._rules and can_pack(self._model)
        return logs[0]

    def _shared(self, variant: Variant) -> int:
        """Counts the tokens before the first that is hidden or differs; the prompt's last is always computed anew."""
        return 0 if self._prefix is None else shared_tokens(self._prompt, variant)

    def _packs(self, job: _Job) -> bool:
        return self._packing and packable(job.variant) and self._watch.get(job.place) is None

    def _tokens(self, job: _Job) -> int:
        """Counts the tokens that a variant computes."""
        hidden = 0 if job.variant.hidden is None or not self._packs(job) else int(job.variant.hidden.sum())
        return job.length + len(self._answer) - 1 - job.shared - hidden

    def _batches(self, jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
        """Yields batches: packed ones, the shortest first, so that many results are there soon; then the others.

        Of those the least shared prefix comes first: the largest batch meets the limits first.
        """
        packed = sorted((job for job in jobs if self._packs(job)), key=lambda job: (self._tokens(job), job.place))
        yield from joined_while(packed, lambda batch: packs_fit(self._hf, [self._text(job) for job in batch]))
        others = (job for job in jobs if not self._packs(job))
        yield from joined_while(sorted(others, key=lambda j: (j.shared, -j.length)), self._fits)

    def _text(self, job: _Job) -> PackedText:
        return packed_text(job.variant, self._answer, job.shared, dict(enumerate(self._prefix or ())))

    def _fits(self, batch: Sequence[_Job]) -> bool:
        start, longest = min(j.shared for j in batch), max(j.length for j in batch)
        steps = len(self._answer)
        width = longest + steps - 1 - start
        needed = sum(j.length + steps - 1 - j.shared for j in batch)
        limit = TOKENS.get(self._hf.device.type, MANY)
        fits = len(batch) * width <= limit and len(batch) * width <= WASTE * needed
        return fits and len(batch) * self._bytes(width, start, longest) <= batch_room(self._hf.device)

    def _bytes(self, width: int, start: int, longest: int) -> int:
        """Estimates the bytes that one variant takes."""
        config, ref = self._hf.config.get_text_config(), self._model.ref
        steps = len(self._answer) + longest - min(longest, len(self._prompt))
        logits = 12 * config.vocab_size * (steps if self._keeps else width)
        hidden = int(getattr(config, "hidden_size", 0) or 1024)
        inner = 4 * width * 16 * hidden
        whole = start + width
        cache = 4 * 2 * ref.layers * whole * hidden if self._prefix is not None else 0
        weights = 4 * 4 * ref.heads * width * whole if ref.attention == "eager" else 0
        return logits + inner + cache + weights

    def _pass(self, batch: Sequence[_Job]) -> np.ndarray:
        """Returns float32 [len(batch), T]."""
        if all(map(self._packs, batch)):
            return np.stack(score_packed(self._hf, [self._text(job) for job in batch], self._cancelled))
        start = min(job.shared for job in batch)
        return self._forward(batch, start, self._cut(start, len(batch)))[0]

    def _cut(self, start: int, size: int) -> Any:
        """Returns the cache of the first ``start`` tokens for ``size`` variants; None where there is none to share."""
        if self._prefix is None or start == 0:
            return None
        return expanded_cache(self._prefix, start, size)

    def _forward(
        self, batch: Sequence[_Job], start: int, cache: Any, keep_cache: bool = False
    ) -> tuple[np.ndarray, Any]:
        """Returns (float32 [len(batch), T], cache) of one pass over the tokens from ``start`` on."""
        device, steps = self._hf.device, len(self._answer)
        longest = max(job.length for job in batch)
        total = longest + steps - 1
        ids = np.zeros((len(batch), total), np.int64)
        rules: list[KeyRule] = []
        for row, job in enumerate(batch):
            n, v = job.length, job.variant
            ids[row, :n], ids[row, n : n + steps - 1] = v.ids, self._answer[:-1]
            ids[row, n + steps - 1 :] = self._answer[0]  # padding: any token will do
            if v.hidden is not None and v.hidden.any():
                rules.append(KeyRule(row, torch.from_numpy(np.flatnonzero(v.hidden)), -math.inf))
            rules += [replace(rule, row=row) for rule in (*v.rules, *self._rules)]
        first = min(job.length for job in batch) - 1 - start  # of the rows that predict an answer token
        settings: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
        if self._keeps:
            # places, not a number: a slice of the batch is no whole array, and the output layer would copy its weights
            settings["logits_to_keep"] = torch.arange(first, total - start, device=device)
        seen = _rows_watched([self._watch.get(job.place) for job in batch], steps, start)
        with torch.no_grad(), steer_tokens(self._hf, TokenSteering(rules, self._cancelled)), seen:
            out = self._hf(
                input_ids=torch.from_numpy(ids[:, start:]).to(device),
                attention_mask=torch.ones(ids.shape, dtype=torch.long, device=device),
                use_cache=keep_cache or cache is not None,
                **settings,
            )
        logits = out.logits if self._keeps else out.logits[:, first:]
        answer = torch.from_numpy(self._answer).to(device)
        places = [job.length - 1 - start - first for job in batch]
        logs = [answer_logs(logits[row, at : at + steps], answer) for row, at in enumerate(places)]
        return torch.stack(logs).cpu().numpy(), getattr(out, "past_key_values", None)


def shared_tokens(prompt: np.ndarray, variant: Variant) -> int:
    """Counts the tokens of ``prompt`` (token ids) before the first that a variant hides, changes or reads otherwise.

    At most all but its last one, whose query is the first step's.
    """
    n = min(len(variant.ids), len(prompt))
    other = variant.ids[:n] != prompt[:n]
    if variant.hidden is not None:
        other = other | variant.hidden[:n]
    shared = int(other.argmax()) if other.any() else n
    for rule in variant.rules:  # whoever stands before the first key or reader reads as always
        shared = min(shared, max(int(rule.keys.min()), rule.first_reader))
    return min(shared, len(variant.ids) - 1)


def packable(variant: Variant) -> bool:
    """Returns whether a variant is its prompt without some tokens: not where the first step's own query is hidden."""
    return not variant.rules and (variant.hidden is None or not variant.hidden[-1])


def packed_text(variant: Variant, answer: np.ndarray, shared: int, prefix: Prefix) -> PackedText:
    """Returns a packable variant with its answer, without what is hidden and the first ``shared`` tokens."""
    ids = np.concatenate([variant.ids, answer[:-1]]).astype(np.int64)
    left = np.ones(len(ids), bool)
    left[:shared] = False
    if variant.hidden is not None:
        left[: len(variant.ids)] &= ~variant.hidden
    places = np.flatnonzero(left)
    return PackedText(ids[places], places, answer, prefix, shared)


def packs_fit(hf: Any, texts: Sequence[PackedText]) -> bool:
    """Returns whether one pass over ``texts`` is neither too long nor too large."""
    config, tokens = hf.config.get_text_config(), sum(len(text.ids) for text in texts)
    logits = 12 * config.vocab_size * sum(len(text.answer) for text in texts)
    inner = 4 * 16 * tokens * int(getattr(config, "hidden_size", 0) or 1024)
    return tokens <= TOKENS.get(hf.device.type, MANY) and logits + inner <= batch_room(hf.device)


def joined_while(jobs: Iterable[Any], fits: Callable[[list[Any]], bool]) -> Iterator[list[Any]]:
    """Yields neighbours in batches that are as large as ``fits`` allows; one alone always does."""
    batch: list[Any] = []
    for job in jobs:
        if batch and not fits([*batch, job]):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _rows_watched(watchers: Sequence[Watch | None], steps: int, before: int) -> Any:
    """Returns the block in which the rows of the last ``steps`` queries are shown to the watcher of each variant.

    ``before``: tokens that come from the cache.
    """
    if not any(watchers):
        return nullcontext()

    def emit(layers: list[int], first: int, start: int, weights: torch.Tensor) -> None:
        for row, watcher in enumerate(watchers):
            if watcher is not None:
                watcher(layers, start, weights[:, row])

    return recording(Recorder(emit, steps, at_once=True, before=before))


def batch_room(device: torch.device) -> float:
    """Returns the bytes that a batch may take on ``device`` now."""
    from ..models.memory_estimate import available_memory

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    return min(free * SHARE, MOST_BATCH_BYTES) if device.type == "cpu" else free * SHARE


def expanded_cache(prefix: Sequence[tuple[torch.Tensor, torch.Tensor]], start: int, size: int) -> Any:
    """Returns a cache of the first ``start`` tokens for ``size`` rows, of each layer's (keys, values)."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for index, (keys, values) in enumerate(prefix):
        both = (t[:, :, :start].expand(size, -1, -1, -1) for t in (keys, values))
        cache.update(*both, index)
    return cache


def _plain_attention(model: Any) -> bool:
    """Returns whether every layer attends to everything before it, so that a prefix's keys and values can be reused."""
    ref = model.ref
    every = tuple(ref.attention_layers) == tuple(range(ref.layers))
    return ref.attention == "dispatch" and every and all(window is None for window in ref.windows)


def _is_plain(cache: Any, tokens: int) -> bool:
    """Returns whether a cache holds the keys and values of every token of every layer, and nothing else."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return type(cache) is DynamicCache and all(
        type(layer) is DynamicLayer and layer.is_initialized and layer.keys.shape[2] == tokens for layer in cache.layers
    )
