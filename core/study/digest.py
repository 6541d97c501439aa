"""Reduces a Trace to a Digest, the part of a run that a study stores, and packs it into bytes.

Rows of single heads are 40 MB for a long run; every feature that Heed defines needs only the rows of a method (one
map), the share of each group for each head averaged over parts of the answer, and log-probabilities. Full rows are
obtained by running the request again. Guarded by tests/core/test_study_features.py: features of a digest equal those of
raw attention.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import safetensors.numpy as safetensors
from safetensors import SafetensorError

from ..errors import MethodError, StoreError
from ..importance.method_input import MAPS_AT_ONCE
from ..importance.methods import DEFAULT_METHOD, IN_RUN, METHODS, default_study_methods, get_method, method_weights
from ..importance.sinks import find_sinks
from ..importance.uniform import uniform_of
from ..records import SCALE, Digest, Trace
from ..text.token_groups import GROUPS, group_membership
from ..text.units import units
from .function_words import is_content

PROMPT = ("sink", "template", "system", "user", "assistant")
"""The groups that make up the prompt."""


def make_digest(trace: Trace, methods: Sequence[str] | None = None, given: Mapping[str, Any] | None = None) -> Digest:
    """Returns the Digest of ``trace`` with the rows of ``methods`` (None: those that studies use by default).

    ``given``: records that methods need beside the run, as for ``explain``. A method that needs another one is left out
    (learned heads of a model that has none) and its features are undefined, as all are for a model without attention.
    Raises MethodError where a method cannot read this run otherwise.
    """
    given = dict(given or {})
    methods = tuple(default_study_methods() if methods is None else methods)
    methods = methods if trace.rows is not None and trace.model.attention != "none" else ()
    methods = tuple(name for name in methods if set(get_method(name).needs) <= {*IN_RUN, *given})
    size = trace.prompt_length, trace.request.segments, max(len(trace.tokens) - 1, 1)
    member = group_membership(trace.tokens, *size, sink=0 in find_sinks(trace))
    read = [_rows_of_method(trace, name, member, given) for name in methods]
    keys = max(len(trace.tokens) - 1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a head that a layer lacks, a part without steps: NaN
        mass = np.nanmean(trace.mass.astype(np.float64), axis=(0, 1)) if trace.mass.size else None
        heads = np.stack([_mean(trace.mass, steps) for steps in answer_slices(trace.answer_steps)])
        lookback = np.nanmean(_lookback(trace), axis=-1)
    return Digest(
        run=trace.id,
        answer=trace.answer,
        finish=trace.finish,
        prompt_length=trace.prompt_length,
        texts=trace.tokens.texts,
        roles=trace.tokens.roles,
        parts=trace.tokens.parts,
        content=_content(trace),
        ids=trace.tokens.ids,
        logprobs=trace.logprobs,
        entropy=trace.entropy,
        groups=trace.groups,
        member=member[: trace.prompt_length],
        mass=np.full((trace.steps, len(trace.groups)), np.nan) if mass is None else mass,
        methods=methods,
        uniform=np.stack([u for _, u, _, _ in read]) if read else np.zeros((0, trace.steps, len(trace.groups))),
        rows=np.stack([r for r, _, _, _ in read]) if read else np.zeros((0, trace.steps, keys)),
        heads=heads,
        lookback=lookback,
        layers=trace.model.attention_layers,
        scale=np.array([s for _, _, s, _ in read], np.float32),
        negative=np.stack([n for _, _, _, n in read]) if read else np.zeros((0, trace.steps, keys)),
        spread=_spread(trace),
        before=_token_before(trace),
        forming=_forming(trace),
        learned=given["weights"].id if any("weights" in METHODS[name].needs for name in methods) else "",
    )


def answer_slices(steps: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns the steps of each of SLICES: all, the first, the first and the last third (empty below three steps)."""
    third = len(steps) // 3
    return steps, steps[:1], steps[:third], steps[len(steps) - third :]


def _mean(mass: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns float [L, H, ...]: the mean of ``mass`` [L, H, T, ...] over ``steps``; NaN where there is none."""
    some = mass[:, :, steps].mean(axis=2, dtype=np.float64) if len(steps) else None
    return np.full((*mass.shape[:2], *mass.shape[3:]), np.nan) if some is None else some


def _lookback(trace: Trace) -> np.ndarray:
    """Returns float64 [L, H, steps]: the lookback ratio, attention per prompt token against per output token.

    a / (a + b) with a = share on the prompt / P and b = share on the own output / t, at answer step t > 0; the
    lookback ratio of Chuang et al. 2024 (arXiv 2407.07071).
    """
    steps = trace.answer_steps[trace.answer_steps > 0]
    mass = trace.mass[:, :, steps].astype(np.float64)
    prompt = mass[..., [GROUPS.index(g) for g in PROMPT]].sum(-1) / trace.prompt_length
    own = mass[..., GROUPS.index("output")] / np.maximum(steps, 1)
    return prompt / np.maximum(prompt + own, 1e-12)


def _spread(trace: Trace) -> np.ndarray:
    """Returns float64 [slice, L, H]: each head's 2-Renyi entropy -ln(sum a^2), mean over the steps of each part.

    As in Ostmeier et al. 2026 (arXiv 2602.13699). The row of the first step is read before a word is written: what the
    prompt alone says. Without entries where the run does not keep its heads.
    """
    rows = trace.rows
    if rows is None or not trace.mass.size or not (rows.heads >= 0).all():
        return np.zeros((0, 0, 0))
    by_step = np.full(trace.mass.shape[:3], np.nan)
    places = np.searchsorted(trace.model.attention_layers, rows.layers)
    for first in range(0, len(places), MAPS_AT_ONCE):
        maps = np.arange(first, min(first + MAPS_AT_ONCE, len(places)))
        squares = np.square(rows.weights(maps)).sum(-1, dtype=np.float64)
        by_step[places[maps], rows.heads[maps]] = -np.log(np.maximum(squares, 1e-12))
    return np.stack([_mean(by_step, steps) for steps in answer_slices(trace.answer_steps)])


def _token_before(trace: Trace) -> np.ndarray:
    """Returns float64 [L, T]: the share on the token just before, by each layer's head that reads it most.

    Which head that is, is decided over the answer's steps after the first (Vazhentsev et al. 2025, arXiv 2505.20045).
    """
    steps = trace.answer_steps[1:]
    if not trace.mass.size or not len(steps):
        return np.zeros((0, 0))
    shares = np.nan_to_num(trace.mass[..., GROUPS.index("query")].astype(np.float64), nan=-1.0)
    head = shares[:, :, steps].mean(-1).argmax(1)
    return np.maximum(shares[np.arange(len(head)), head], 0.0)


def _rows_of_method(
    trace: Trace, name: str, member: np.ndarray, given: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Returns (uint16 [T, K] packed rows, float64 [T, G] uniform, value of a packed 1, bool [T, K] below 0)."""
    weights, maps = method_weights(trace, name, given=given)
    gives = METHODS[name].gives
    if gives == "nats":
        sign, weights = weights < 0, np.abs(weights)
    elif float(weights.min(initial=0.0)) < -1e-6:
        raise MethodError(f"{METHODS[name].label} gives values below 0, which no {gives} is: let it give nats.")
    else:
        sign, weights = np.zeros(weights.shape, bool), np.maximum(weights, 0)
    scale = max(1.0, float(weights.max(initial=0.0)))
    keys = uniform_of(trace, maps).astype(np.float64)
    groups = keys @ member
    own = np.arange(trace.steps)
    if not trace.reads_prompt_only:
        groups[:, GROUPS.index("query")] = keys[own, own + trace.prompt_length - 1]
    packed = np.floor(np.sqrt(weights / np.float32(scale)) * SCALE + 0.5).astype(np.uint16)
    return packed, groups, scale, sign


def _forming(trace: Trace) -> np.ndarray:
    """Returns float [3, T], see ``Digest.forming``; without entries where the run did not record its other parts."""
    parts = trace.components
    if parts is None or not parts.has_lens:
        return np.zeros((0, 0))
    settled = np.where(parts.first_choice > parts.layers, np.nan, parts.first_choice / parts.layers)
    queries = slice(trace.prompt_length - 1, None)  # the token before each output token, which predicted it
    attention, mlp = (w[:, queries].astype(np.float64) for w in (parts.attention_write, parts.mlp_write))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # layers whose writes are not known
        part = np.nanmean(attention / (attention + mlp), axis=0)
    return np.stack([settled, parts.lens_entropy[len(parts.lens_entropy) // 2], part])


def _content(trace: Trace) -> np.ndarray:
    """Returns bool [P]: whether at least half of the token lies in content words of the user's own text."""
    if not trace.tokens.proven:
        return np.zeros(trace.prompt_length, bool)
    words = units(trace.tokens, "word", range(trace.prompt_length))
    content = np.array([is_content(label) for label in words.labels]) & (words.message >= 0)
    share = np.zeros(trace.prompt_length)
    np.add.at(share, words.token, words.weight * content[words.unit])
    return (share >= 0.5) & trace.tokens.own[: trace.prompt_length]


def kept_weights(found: Digest, method: str = DEFAULT_METHOD) -> np.ndarray:
    """Returns float64 [T, K]: value of each key at each step, within 1.6e-5 (of the scale) of the run's."""
    at = found.methods.index(method)
    size = (found.rows[at].astype(np.float64) / SCALE) ** 2 * float(found.scale[at])
    return np.where(found.negative[at], -size, size)


_ARRAYS = (
    *("content", "ids", "logprobs", "entropy", "member", "mass", "uniform", "rows", "heads", "lookback", "scale"),
    *("negative", "spread", "before", "forming"),
)


def pack_digest(found: Digest) -> bytes:
    """Packs a digest into one compressed blob, about 100 kB; holds no code."""
    arrays = {name: np.ascontiguousarray(getattr(found, name)) for name in _ARRAYS}
    plain = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in _ARRAYS}
    return zlib.compress(safetensors.save(arrays, metadata={"digest": json.dumps(plain)}), 6)


def unpack_digest(data: bytes) -> Digest:
    """Unpacks what ``pack_digest`` returned. Raises StoreError for anything else."""
    try:
        body = zlib.decompress(data)
        size = int.from_bytes(body[:8], "little")
        plain: dict[str, Any] = json.loads(json.loads(body[8 : 8 + size])["__metadata__"]["digest"])
        return Digest(**(plain | safetensors.load(body)))
    except (zlib.error, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise StoreError("A stored run of this study cannot be read: run the study again to make it anew.") from error
