"""Digest -> numbers about importance: one value a run, each with its definition, range and source.

``features(trace, importance)`` is the face for notebooks; a study calls ``measure`` on the digests it kept. All shares
are means over the steps of the answer itself (no thinking, no end token), so that answers of different length compare.
What a run does not have (a segment, a second step) is NaN, never 0. To add one: a function ``(Reading) -> float`` and
a line in ``_READ``. Guarded by tests/core/test_study_features.py (known numbers, raw attention as the oracle).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..checks import short_repr
from ..errors import MethodError
from ..records import SLICES, Digest, Importance, Trace
from .digest import DEFAULT_METHODS, answer_slices, make_digest, method_weights

SEGMENTS = ("instruction", "context", "question", "example", "check")
"""Named parts of the prompt; ``check``: the spans of all its verifiable instructions together."""
OTHERS = ("system", "template", "output")
PART_NAMES = {
    "check": "verified instructions",
    "output": "own output",
    "system": "system message",
    "template": "markup",
}
"""What readers call a part whose key is no plain word."""
EFFECT_MODES = ("masked", "removed")
LAST_SUFFIX = "@last-layer"
TOP = 5
HEAD_GROUPS = ("sink", "template", "system", "user", "output", *SEGMENTS)
"""What ``head_features`` gives for each head; lookback comes last."""


@dataclass(frozen=True)
class Feature:
    """What a column of the runs table means."""

    label: str
    unit: str
    definition: str
    range: str
    source: str
    kind: Literal["attention", "causal"]
    segment: str = ""


@dataclass(frozen=True)
class MethodReading:
    """One method's view of one run: what every feature is computed from. A answer steps, P prompt tokens."""

    found: Digest
    rows: np.ndarray
    """float64 [A, K]"""
    uniform: np.ndarray
    """float64 [A, G]"""
    steps: np.ndarray
    """int [A]"""

    def parts(self, name: str) -> list[int]:
        """Indices of the groups that make it up."""
        return group_places(self.found, name)

    def member(self, name: str) -> np.ndarray | None:
        """float64 [P] how much of each prompt token belongs to a group, a segment or ``check``; None: there is none."""
        parts = self.parts(name)
        if not parts:
            return None
        inside = np.minimum(self.found.member[:, parts].sum(1, dtype=np.float64), 1)
        return inside if inside.any() else None

    def share(self, name: str) -> np.ndarray | None:
        """float64 [A] share of each step on it; None where the run has no such part."""
        if name == "output":
            return self.rows[:, self.found.prompt_length :].sum(1)
        inside = self.member(name)
        return None if inside is None else self.rows[:, : self.found.prompt_length] @ inside

    def expected(self, name: str) -> float:
        """Mean share that reading every readable token equally would give it."""
        at = self.parts(name)
        inside = self.member(name)
        whole = self.found.member[:, at].sum(dtype=np.float64)
        once = 1.0 if inside is None or not whole else inside.sum() / whole  # spans of instructions may overlap
        return float(self.uniform[:, at].sum(1).mean() * once)

    def text(self) -> np.ndarray | None:
        """float64 [A, tokens of the user's text] shares scaled to one; None where nothing of it was read."""
        inside = self._text()
        part = self.rows[:, : self.found.prompt_length][:, inside]
        total = part.sum(1, keepdims=True)
        return part / total if inside.any() and (total > 0).all() else None

    def _text(self) -> np.ndarray:
        """bool [P] the user's text: messages of the user, and named parts wherever they stand."""
        names = [g == "user" or g.startswith("segment:") for g in self.found.groups]
        sink = self.found.member[:, self.found.groups.index("sink")] > 0
        return (self.found.member[:, names].sum(1) > 0) & ~sink

    def content(self) -> np.ndarray:
        """bool [tokens of the user's text]"""
        return self.found.content[self._text()]


def group_places(found: Digest, name: str) -> list[int]:
    """Indices in ``found.groups`` of a group, a segment, or of every instruction's span (``check``)."""
    if name == "check":
        return [i for i, g in enumerate(found.groups) if g.startswith("segment:check ")]
    return [i for i, g in enumerate(found.groups) if g in (name, f"segment:{name}")]


def _mean_share(name: str) -> Callable[[MethodReading], float]:
    def value(reading: MethodReading) -> float:
        share = reading.share(name)
        return np.nan if share is None else float(share.mean())

    return value


def _multiple(name: str) -> Callable[[MethodReading], float]:
    def value(reading: MethodReading) -> float:
        share = reading.share(name)
        expected = np.nan if share is None else reading.expected(name)
        return float(share.mean() / expected) if share is not None and expected > 0 else np.nan

    return value


def entropy(reading: MethodReading) -> float:
    """-sum p ln p over the user's text, mean over the steps."""
    part = reading.text()
    return np.nan if part is None else float(_entropies(part).mean())


def effective_tokens(reading: MethodReading) -> float:
    """exp of the entropy of each step (Hill number of order 1), mean over the steps."""
    part = reading.text()
    return np.nan if part is None else float(np.exp(_entropies(part)).mean())


def _entropies(part: np.ndarray) -> np.ndarray:
    return -(part * np.log(np.where(part > 0, part, 1))).sum(1)


def gini(reading: MethodReading) -> float:
    """Gini coefficient of each step's shares, mean over the steps: sum (2i - n - 1) p_i / n for sorted p."""
    part = reading.text()
    if part is None or part.shape[1] < 2:
        return np.nan
    n = part.shape[1]
    return float((np.sort(part, axis=1) @ (2 * np.arange(1, n + 1) - n - 1) / n).mean())


def top_share(reading: MethodReading) -> float:
    """What the five most read tokens of each step hold, mean over the steps; undefined up to five tokens."""
    part = reading.text()
    if part is None or part.shape[1] <= TOP:
        return np.nan
    return float(np.sort(part, axis=1)[:, -TOP:].sum(1).mean())


def drift(reading: MethodReading) -> float:
    """Share on the user's text in the last third of the answer minus that in the first third."""
    _, _, first, last = answer_slices(np.arange(len(reading.steps)))
    if not len(first):
        return np.nan
    share = reading.rows[:, : reading.found.prompt_length][:, reading._text()].sum(1)
    return float(share[last].mean() - share[first].mean())


def content_share(reading: MethodReading) -> float:
    """Part of the reading of the user's text that falls on content words."""
    part = reading.text()
    return np.nan if part is None else float(part[:, reading.content()].sum(1).mean())


def _word(segment: str) -> str:
    return PART_NAMES.get(segment, segment)


_OWN = "Mean over the answer's steps of the attention share on "
_TEXT = "over the user's text, shares scaled to one; mean over steps"
_HERE = "Heed"

_READ: dict[str, tuple[Callable[[MethodReading], float], Feature]] = {
    **{
        f"share_{s}": (
            _mean_share(s),
            Feature(f"Share on {_word(s)}", "share", f"{_OWN}{_word(s)}.", "0 to 1", _HERE, "attention", s),
        )
        for s in (*SEGMENTS, *OTHERS)
    },
    **{
        f"multiple_{s}": (
            _multiple(s),
            Feature(
                f"Share on {_word(s)}, times uniform",
                "× uniform",
                f"share_{s} divided by what reading every readable token equally would give at the same steps.",
                "0 up",
                _HERE,
                "attention",
                s,
            ),
        )
        for s in (*SEGMENTS, *OTHERS)
    },
    "sink": (
        _mean_share("sink"),
        Feature(
            "Sink", "share", f"{_OWN}the first token.", "0 to 1", "Xiao et al. 2024, arXiv 2309.17453", "attention"
        ),
    ),
    "entropy": (
        entropy,
        Feature("Entropy of reading", "nats", f"-sum p ln p {_TEXT}.", "0 up", "Shannon 1948", "attention"),
    ),
    "effective_tokens": (
        effective_tokens,
        Feature("Effective tokens read", "tokens", f"exp(entropy) {_TEXT}.", "1 up", "Hill 1973", "attention"),
    ),
    "gini": (
        gini,
        Feature("Gini of reading", "0 to 1", f"Gini coefficient {_TEXT}.", "0 to 1", "Gini 1912", "attention"),
    ),
    "top_5": (
        top_share,
        Feature("Five most read tokens", "share", f"Sum of the five largest {_TEXT}.", "0 to 1", _HERE, "attention"),
    ),
    "drift": (
        drift,
        Feature(
            "Drift",
            "share",
            "Share on the user's text in the last third of the answer minus that in the first third.",
            "-1 to 1",
            _HERE,
            "attention",
        ),
    ),
    "content_share": (
        content_share,
        Feature(
            "Share on content words",
            "share",
            f"Share on words that are no function words {_TEXT}.",
            "0 to 1",
            _HERE,
            "attention",
        ),
    ),
}

_LOOKBACK = Feature(
    "Lookback ratio",
    "ratio",
    "a / (a + b), a the share per prompt token, b the share per token of the own output so far; mean over heads and "
    "over the answer's steps after the first.",
    "0 to 1",
    "Chuang et al. 2024, arXiv 2407.07071",
    "attention",
)


def _causal() -> dict[str, Feature]:
    out = {}
    for mode in EFFECT_MODES:
        how = "hidden from attention, positions kept" if mode == "masked" else "taken out of the prompt"
        for s in SEGMENTS:
            out[f"{mode}_{s}"] = Feature(
                f"{_word(s).capitalize()} {mode}", "nats per token",
                f"Log-probability an answer token loses with {_word(s)} {how}.",
                "any; above 0: it made the answer likelier", "knock-out; Li et al. 2016, arXiv 1612.08220", "causal", s,
            )  # fmt: skip
            out[f"{mode}_total_{s}"] = replace(
                out[f"{mode}_{s}"], label=f"{s.capitalize()} {mode}, whole answer", unit="nats",
                definition=f"Log-probability the whole answer loses with {_word(s)} {how}.",
            )  # fmt: skip
    return out


FEATURES: dict[str, Feature] = {
    **{name: feature for name, (_, feature) in _READ.items()},
    "lookback": _LOOKBACK,
    **{f"{name}{LAST_SUFFIX}": replace(f, label=f"{f.label}, last layer") for name, (_, f) in _READ.items()},
    **_causal(),
}
"""Every column of features that a runs table can have."""


def features(trace: Trace, importance: Importance | None = None) -> dict[str, float]:
    """{name: value} of ``trace`` as ``importance`` (made by ``explain``, or the default method) reads it.

    Names as in FEATURES, without those that need the model again. What the run does not have is NaN. ``importance``
    says the method; its sink, granularity and inputs do not matter here, where sink and markup are told apart anyway.
    Raises MethodError for an importance of another run, or of picked layers and heads.
    """
    if not isinstance(trace, Trace):
        raise MethodError(f"features needs the trace that run gave, not {short_repr(trace)}.")
    method = "mean-attention"
    if importance is not None:
        if not isinstance(importance, Importance) or importance.trace_id != trace.id:
            raise MethodError("The importance is not of this run: make it with explain(trace, ...).")
        if importance.parameters.get("layers") is not None or importance.parameters.get("heads") is not None:
            raise MethodError("features takes a method over its own layers: call explain without layers and heads.")
        method = importance.method
    found = make_digest(trace, (method,))
    return _read(found, method) | {"lookback": _lookback(found)}


def digest_features(found: Digest) -> dict[str, float]:
    """Every attention feature of a kept run: the default method's by name, the last layer's with ``@last-layer``."""
    out = _read(found, DEFAULT_METHODS[0]) | {"lookback": _lookback(found)}
    return out | {f"{name}{LAST_SUFFIX}": value for name, value in _read(found, DEFAULT_METHODS[1]).items()}


def _read(found: Digest, method: str) -> dict[str, float]:
    reading = reading_of(found, method)
    return {name: np.nan if reading is None else float(f(reading)) for name, (f, _) in _READ.items()}


def reading_of(found: Digest, method: str = DEFAULT_METHODS[0]) -> MethodReading | None:
    """What one method read in the answer; None for a run without attention or without an answer."""
    steps = found.answer_steps
    if method not in found.methods or not len(steps):
        return None
    at = found.methods.index(method)
    return MethodReading(
        found, method_weights(found, method)[steps], found.uniform[at][steps].astype(np.float64), steps
    )


def _lookback(found: Digest) -> float:
    known = found.lookback[np.isfinite(found.lookback)].astype(np.float64)
    return float(known.mean()) if known.size else np.nan


def lookback(trace: Trace) -> tuple[float, np.ndarray, np.ndarray]:
    """(overall, float32 [L] by layer, float32 [L, H] by head) lookback ratio; see the feature ``lookback``.

    L counts the layers that have attention; NaN for heads that a layer lacks, and for answers of one step.
    """
    found = make_digest(trace, ())
    heads = found.lookback.astype(np.float32)
    known = np.isfinite(heads)
    layers = np.where(known, heads, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)
    return _lookback(found), layers.astype(np.float32), heads


def span_features(found: Digest, name: str, method: str = DEFAULT_METHODS[0]) -> dict[str, float]:
    """{share, multiple} of one named part, e.g. ``check 1``; NaN where the prompt has none."""
    reading = reading_of(found, method)
    if reading is None or f"segment:{name}" not in found.groups:
        return {"share": np.nan, "multiple": np.nan}
    return {"share": _mean_share(name)(reading), "multiple": _multiple(name)(reading)}


def effect_features(effects: Mapping[str, float], tokens: int) -> dict[str, float]:
    """The causal columns from total effects {masked_total_SEG: nats}; per token over ``tokens`` answer tokens."""
    out = dict.fromkeys(_causal(), np.nan)
    for mode in EFFECT_MODES:
        for s in SEGMENTS:
            total = effects.get(f"{mode}_total_{s}", np.nan)
            out[f"{mode}_total_{s}"] = float(total)
            out[f"{mode}_{s}"] = float(total) / tokens if tokens else np.nan
    return out


def head_features(found: Digest, part: str = "all") -> tuple[tuple[str, ...], np.ndarray]:
    """(names [F], float32 [F, L, H]): each head's share on HEAD_GROUPS over a part of the answer (SLICES), lookback.

    A part that the prompt does not have has share 0; lookback is NaN in the first step, which has nothing to look
    back on. NaN for heads that a layer lacks.
    """
    shares = found.heads[SLICES.index(part)].astype(np.float32)
    out = [shares[..., group_places(found, name)].sum(-1) for name in HEAD_GROUPS]
    last = found.lookback.astype(np.float32) if part != "first step" else np.full(shares.shape[:2], np.nan, np.float32)
    return (*HEAD_GROUPS, "lookback"), np.stack([*out, last])
