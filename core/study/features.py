"""``FEATURES``: scalar features of importance, one value per run, each with its definition and source.

``features(trace, importance)`` is the entry point for notebooks; a study calls ``digest_features`` and
``effect_features`` on what it stored. All shares are means over the steps of the answer itself (no thinking, no end
token), so that answers of different length compare. What a run does not have (a segment, a second step) is NaN, never
0.

A feature declares what it *needs*: rows (then every method gives a column of its own, ``name@method``, the default
method without the suffix), the digest, or effects of ablation. What links it by construction to a metric is declared in
``linked``. To add one: a function and a line in ``FEATURES``; docs/extending.md has a complete example. Guarded by
tests/core/test_study_features.py (known numbers, raw attention as the oracle, length).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ..checks import short_repr
from ..errors import MethodError
from ..importance.methods import DEFAULT_METHOD, METHODS
from ..records import SLICES, Digest, Importance, Trace
from .digest import answer_slices, kept_weights, make_digest

FEATURE_PARTS = ("instruction", "context", "question", "example", "check")
"""Named parts of the prompt; ``check``: the spans of all its verifiable instructions together."""
OTHERS = ("system", "template", "output")
PART_NAMES = {
    "check": "verified instructions",
    "output": "own output",
    "system": "system message",
    "template": "markup",
}
"""Displayed names of parts whose key is no plain word."""
EFFECT_MODES = {"masked": "hidden from attention, positions kept", "removed": "taken out of the prompt"}
TOP_INPUTS = 5
HEAD_GROUPS = ("sink", "template", "system", "user", "output", *FEATURE_PARTS)
"""The groups of which ``head_features`` returns each head's share; lookback comes last."""
RAUQ_ALPHA = 0.2
"""Weight of a token's own probability in RAUQ, as in its paper (lm-polygraph takes 0.5 for instruct models)."""

BY_LENGTH = {"length": "a longer answer has more of its own words to read, which moves this share by itself"}
BY_LENS = {"likelihood": "the last layer of the lens is the answer's own distribution"}
BY_LIKELIHOOD = {"likelihood": "the effect is a difference to the same log-probability of the answer"}


@dataclass(frozen=True)
class Feature:
    """One feature: its function and what people must know to read it."""

    label: str
    function: Callable[..., float]
    """Takes a MethodReading (``needs`` rows), a Digest, or an EffectReading (effects)."""
    unit: str
    definition: str
    range: str
    source: str
    needs: Literal["rows", "digest", "effects"] = "rows"
    segment: str = ""
    linked: Mapping[str, str] = field(default_factory=dict)
    """{what a metric measures (``Metric.measures``): why the two go together by construction}; such pairs are shown and
    are no finding."""

    @property
    def kind(self) -> Literal["attention", "causal"]:
        """Kind of evidence: attention, or the causal effect of a part on the answer."""
        return "causal" if self.needs == "effects" else "attention"


@dataclass(frozen=True)
class EffectReading:
    """Input of the features of ablation: the effects of a prompt's parts on a run's answer."""

    effects: Mapping[str, float]
    """{``masked_total_SEGMENT``: nats that the whole answer lost}; without what was not measured."""
    tokens: int
    """Number of tokens of the answer itself."""


@dataclass(frozen=True)
class MethodReading:
    """Input of the features of attention: one method's rows of one run. A answer steps, P prompt tokens."""

    found: Digest
    rows: np.ndarray
    """float64 [A, K]"""
    uniform: np.ndarray
    """float64 [A, G]"""
    steps: np.ndarray
    """int [A]"""

    def parts(self, name: str) -> list[int]:
        """Returns the indices of the groups that make up a part."""
        return group_places(self.found, name)

    def member(self, name: str) -> np.ndarray | None:
        """Returns float64 [P]: how much of each prompt token belongs to a group, a segment or ``check``, or None."""
        parts = self.parts(name)
        if not parts:
            return None
        inside = np.minimum(self.found.member[:, parts].sum(1, dtype=np.float64), 1)
        return inside if inside.any() else None

    def share(self, name: str) -> np.ndarray | None:
        """Returns float64 [A]: each step's share on the part; None where the run has no such part."""
        if name == "output":
            return self.rows[:, self.found.prompt_length :].sum(1)
        inside = self.member(name)
        return None if inside is None else self.rows[:, : self.found.prompt_length] @ inside

    def expected(self, name: str) -> float:
        """Returns the part's mean uniform share."""
        at = self.parts(name)
        inside = self.member(name)
        whole = self.found.member[:, at].sum(dtype=np.float64)
        once = 1.0 if inside is None or not whole else inside.sum() / whole  # spans of instructions may overlap
        return float(self.uniform[:, at].sum(1).mean() * once)

    def text(self) -> np.ndarray | None:
        """Returns float64 [A, tokens of the user's text]: shares scaled to one.

        None where nothing of it was read, and where values below 0 make no shares.
        """
        inside = self.in_text()
        part = self.rows[:, : self.found.prompt_length][:, inside]
        total = part.sum(1, keepdims=True)
        return part / total if inside.any() and (total > 0).all() and (part >= 0).all() else None

    def in_text(self) -> np.ndarray:
        """Returns bool [P]: the user's text, that is messages of the user, and named parts wherever they stand."""
        names = [g == "user" or g.startswith("segment:") for g in self.found.groups]
        sink = self.found.member[:, self.found.groups.index("sink")] > 0
        return (self.found.member[:, names].sum(1) > 0) & ~sink

    def content(self) -> np.ndarray:
        """Returns bool [tokens of the user's text]: whether each is a content word."""
        return self.found.content[self.in_text()]


def group_places(found: Digest, name: str) -> list[int]:
    """Returns the indices in ``found.groups`` of a group, a segment, or of every instruction's span (``check``)."""
    if name == "check":
        return [i for i, g in enumerate(found.groups) if g.startswith("segment:check ")]
    return [i for i, g in enumerate(found.groups) if g in (name, f"segment:{name}")]


def mean_share(name: str) -> Callable[[MethodReading], float]:
    """Makes a feature's function: the share on the part ``name``, mean over the answer's steps."""

    def value(reading: MethodReading) -> float:
        share = reading.share(name)
        return np.nan if share is None else float(share.mean())

    return value


def multiple_of_uniform(name: str) -> Callable[[MethodReading], float]:
    """Makes a feature's function: the share on the part ``name`` as a multiple of its uniform share."""

    def value(reading: MethodReading) -> float:
        share = reading.share(name)
        expected = np.nan if share is None else reading.expected(name)
        return float(share.mean() / expected) if share is not None and expected > 0 else np.nan

    return value


def lost_per_token(key: str) -> Callable[[EffectReading], float]:
    """Makes a feature's function: the loss per answer token without a part, from the answer's total ``key``."""
    return lambda found: found.effects.get(key, np.nan) / found.tokens if found.tokens else np.nan


def lost_in_all(key: str) -> Callable[[EffectReading], float]:
    """Makes a feature's function: the loss of the whole answer without a part."""
    return lambda found: float(found.effects.get(key, np.nan))


def entropy(reading: MethodReading) -> float:
    """Returns the entropy -sum p ln p over the user's text, mean over the steps."""
    part = reading.text()
    return np.nan if part is None else float(_entropies(part).mean())


def effective_tokens(reading: MethodReading) -> float:
    """Returns exp of the entropy of each step (Hill number of order 1), mean over the steps."""
    part = reading.text()
    return np.nan if part is None else float(np.exp(_entropies(part)).mean())


def _entropies(part: np.ndarray) -> np.ndarray:
    return -(part * np.log(np.where(part > 0, part, 1))).sum(1)


def gini(reading: MethodReading) -> float:
    """Returns the Gini coefficient of each step's shares, mean over steps: sum (2i - n - 1) p_i / n for sorted p."""
    part = reading.text()
    if part is None or part.shape[1] < 2:
        return np.nan
    n = part.shape[1]
    return float((np.sort(part, axis=1) @ (2 * np.arange(1, n + 1) - n - 1) / n).mean())


def top_share(reading: MethodReading) -> float:
    """Returns the share of the five most read tokens of each step, mean over the steps; undefined up to five tokens."""
    part = reading.text()
    if part is None or part.shape[1] <= TOP_INPUTS:
        return np.nan
    return float(np.sort(part, axis=1)[:, -TOP_INPUTS:].sum(1).mean())


def drift(reading: MethodReading) -> float:
    """Returns the share on the user's text in the last third of the answer minus that in the first third."""
    _, _, first, last = answer_slices(np.arange(len(reading.steps)))
    if not len(first):
        return np.nan
    share = reading.rows[:, : reading.found.prompt_length][:, reading.in_text()].sum(1)
    return float(share[last].mean() - share[first].mean())


def content_share(reading: MethodReading) -> float:
    """Returns the part of the attention on the user's text that falls on content words."""
    part = reading.text()
    return np.nan if part is None else float(part[:, reading.content()].sum(1).mean())


def lookback_ratio(found: Digest) -> float:
    """Returns the mean lookback ratio over heads and over the answer's steps after the first."""
    known = found.lookback[np.isfinite(found.lookback)].astype(np.float64)
    return float(known.mean()) if known.size else np.nan


def head_entropy(part: str) -> Callable[[Digest], float]:
    """Makes a feature's function: the 2-Renyi entropy of heads' rows over a part of the answer, mean over all heads."""

    def value(found: Digest) -> float:
        known = found.spread[SLICES.index(part)].astype(np.float64) if found.spread.size else np.zeros(0)
        known = known[np.isfinite(known)]
        return float(known.mean()) if known.size else np.nan

    return value


def forming(row: int) -> Callable[[Digest], float]:
    """Returns the feature that is the mean of one row of ``Digest.forming`` over the answer's steps."""

    def mean(found: Digest) -> float:
        steps = found.answer_steps
        values = found.forming[row, steps] if found.forming.size and len(steps) else np.zeros(0)
        values = values[np.isfinite(values)]
        return float(values.mean(dtype=np.float64)) if len(values) else np.nan

    return mean


def rauq(found: Digest) -> float:
    """Returns how unsure the answer is, carried on along the token just before (RAUQ, the largest of middle layers).

    c_1 = p_1 and c_t = RAUQ_ALPHA p_t + (1 - RAUQ_ALPHA) a_t c_(t-1), a_t the share on the token just before; the mean
    of -ln c_t over the answer, and the largest over the middle third of the layers.
    """
    steps, layers = found.answer_steps, len(found.before)
    if len(steps) == 1 and found.spread.size:
        return float(-found.logprobs[steps[0]])
    if not layers or not len(steps):
        return np.nan
    chances = np.exp(found.logprobs[steps].astype(np.float64))
    shares = found.before[layers // 3 : -(-2 * layers // 3) + 1][:, steps].astype(np.float64)
    sure = np.full(len(shares), chances[0])
    total = np.log(np.maximum(sure, 1e-30))
    for chance, share in zip(chances[1:], shares[:, 1:].T, strict=True):
        sure = RAUQ_ALPHA * chance + (1 - RAUQ_ALPHA) * share * sure
        total += np.log(np.maximum(sure, 1e-30))
    return float((-total / len(steps)).max())


def _part(segment: str) -> str:
    return PART_NAMES.get(segment, segment)


def _share(part: str) -> Feature:
    about = f"{_OWN}{_part(part)}."
    return Feature(
        f"Share on {_part(part)}", mean_share(part), "share", about, "0 to 1", _HERE, "rows", part, BY_LENGTH
    )


def _multiple(part: str) -> Feature:
    about = f"share_{part} divided by what reading every readable token equally would give at the same steps."
    label = f"Share on {_part(part)}, times uniform"
    return Feature(label, multiple_of_uniform(part), "× uniform", about, "0 up", _HERE, "rows", part)


def _effect(mode: str, part: str) -> dict[str, Feature]:
    """Makes two features: the loss per answer token, and of the whole answer, without a part."""
    how, key = EFFECT_MODES[mode], f"{mode}_total_{part}"
    about = f"Log-probability an answer token loses with {_part(part)} {how}."
    in_all = f"Log-probability the whole answer loses with {_part(part)} {how}."
    span, label = "any; above 0: it made the answer likelier", f"{_part(part).capitalize()} {mode}"
    long = BY_LIKELIHOOD | {"length": "a total over the answer grows with its length"}
    source = "knock-out; Li et al. 2016, arXiv 1612.08220"
    return {
        f"{mode}_{part}": Feature(label, lost_per_token(key), "nats per token", about, span, source, "effects", part,
                                  BY_LIKELIHOOD),
        key: Feature(f"{part.capitalize()} {mode}, whole answer", lost_in_all(key), "nats", in_all, span, source,
                     "effects", part, long),
    }  # fmt: skip


_OWN = "Mean over the answer's steps of the attention share on "
_TEXT = "over the user's text, shares scaled to one; mean over steps"
_HERE = "Heed"
_PARTS = "In studies that record the other parts"
_HEADS = "Ostmeier et al. 2026, arXiv 2602.13699"

FEATURES: dict[str, Feature] = {
    **{f"share_{part}": _share(part) for part in (*FEATURE_PARTS, *OTHERS)},
    **{f"multiple_{part}": _multiple(part) for part in (*FEATURE_PARTS, *OTHERS)},
    "sink": Feature("Sink", mean_share("sink"), "share", f"{_OWN}the first token.", "0 to 1",
                    "Xiao et al. 2024, arXiv 2309.17453", linked=BY_LENGTH),
    "entropy": Feature("Entropy of reading", entropy, "nats", f"-sum p ln p {_TEXT}.", "0 up", "Shannon 1948",
                       linked=BY_LENGTH),
    "effective_tokens": Feature("Effective tokens read", effective_tokens, "tokens", f"exp(entropy) {_TEXT}.", "1 up",
                                "Hill 1973", linked=BY_LENGTH),
    "gini": Feature("Gini of reading", gini, "0 to 1", f"Gini coefficient {_TEXT}.", "0 to 1", "Gini 1912",
                    linked=BY_LENGTH),
    "top_5": Feature("Five most read tokens", top_share, "share", f"Sum of the five largest {_TEXT}.", "0 to 1", _HERE,
                     linked=BY_LENGTH),
    "drift": Feature("Drift", drift, "share",
                     "Share on the user's text in the last third of the answer minus that in the first third.",
                     "-1 to 1", _HERE, linked=BY_LENGTH),
    "content_share": Feature("Share on content words", content_share, "share",
                             f"Share on words that are no function words {_TEXT}.", "0 to 1", _HERE, linked=BY_LENGTH),
    "lookback": Feature("Lookback ratio", lookback_ratio, "ratio",
                        "a / (a + b), a the share per prompt token, b the share per token of the own output so far; "
                        "mean over heads and over the answer's steps after the first.",
                        "0 to 1", "Chuang et al. 2024, arXiv 2407.07071", "digest", linked=BY_LENGTH),
    **{name: one for mode in EFFECT_MODES for part in FEATURE_PARTS for name, one in _effect(mode, part).items()},
    "head_entropy": Feature("Entropy of heads", head_entropy("all"), "nats",
                            "2-Renyi entropy -ln(sum a^2) of each head's row; mean over heads and the answer's steps.",
                            "0 up", _HEADS, "digest", linked=BY_LENGTH),
    "prompt_entropy": Feature("Entropy of heads, prompt alone", head_entropy("first step"), "nats",
                              "2-Renyi entropy -ln(sum a^2) of each head's row that wrote the answer's first token, "
                              "with nothing of the answer to read; mean over heads.", "0 up", _HEADS, "digest"),
    "rauq": Feature("RAUQ", rauq, "nats",
                    "Mean of -ln c over the answer, c = 0.2 p + 0.8 a c of the token before, p the token's probability "
                    "and a the share on the token just before; largest over the middle third of the layers.",
                    "0 up; higher: less sure", "Vazhentsev et al. 2025, arXiv 2505.20045", "digest",
                    linked=BY_LENGTH | {"likelihood": "it is made of the probabilities of the answer's tokens"}),
    "settled_layer": Feature("Layer at which tokens are settled", forming(0), "part of the layers",
                             "The layer from which on a token of the answer stays the logit lens's first choice, as a "
                             f"part of all layers; mean over the answer's steps. {_PARTS}", "0 to 1",
                             "nostalgebraist 2020, the logit lens", "digest", linked=BY_LENGTH | BY_LENS),
    "lens_entropy": Feature("Doubt at the middle layer", forming(1), "nats",
                            "Entropy of the logit lens's distribution at the middle layer; mean over the answer's "
                            f"steps. {_PARTS}", "0 up", "nostalgebraist 2020, the logit lens", "digest",
                            linked=BY_LENGTH | BY_LENS),
    "attention_part": Feature("Attention's part of what is written", forming(2), "share",
                              "What attention adds to the residual stream over what attention and MLP add (norms); "
                              f"mean over layers and the answer's steps. {_PARTS}", "0 to 1", _HERE, "digest",
                              linked=BY_LENGTH),
}  # fmt: skip
"""Features by name. Which columns a table has of them depends on its methods: ``feature_columns``."""


def column_name(name: str, method: str = DEFAULT_METHOD) -> str:
    """Returns the column of a feature by a method: ``sink``, ``sink@last-layer``."""
    return name if method == DEFAULT_METHOD or FEATURES[name].needs != "rows" else f"{name}@{method}"


def feature_columns(methods: Iterable[str]) -> dict[str, Feature]:
    """Returns {column: its feature} of a table whose runs are read by ``methods``, in the order of FEATURES.

    Columns by further methods stand before the effects; what FEATURES has behind these comes last.
    """
    names = list(FEATURES)
    behind = max(i for i, name in enumerate(names) if FEATURES[name].needs == "effects")
    first = {name: f for i, (name, f) in enumerate(FEATURES.items()) if f.needs != "effects" and i < behind}
    last = {name: f for i, (name, f) in enumerate(FEATURES.items()) if f.needs != "effects" and i > behind}
    rows = [name for name, f in FEATURES.items() if f.needs == "rows"]
    others = {column_name(n, m): n for m in dict.fromkeys(methods) if m != DEFAULT_METHOD for n in rows}
    effects = {name: f for name, f in FEATURES.items() if f.needs == "effects"}
    return first | {column: _by_method(column) for column in others} | effects | last


def get_feature(column: str) -> Feature | None:
    """Returns the feature that a column holds, by whatever method; None for any other column."""
    name, _, method = str(column).partition("@")
    if name not in FEATURES or (method and FEATURES[name].needs != "rows"):
        return None
    return _by_method(column) if method else FEATURES[name]


def method_of(column: str) -> str:
    """Returns the method by which a feature's column is computed."""
    return column.partition("@")[2] or DEFAULT_METHOD


def _by_method(column: str) -> Feature:
    feature, method = FEATURES[column.partition("@")[0]], method_of(column)
    words = METHODS[method].label if method in METHODS else method
    return replace(feature, label=f"{feature.label}, {words[:1].lower()}{words[1:]}")


def features(trace: Trace, importance: Importance | None = None) -> dict[str, float]:
    """Returns {name: value} of ``trace`` by the method of ``importance`` (from ``explain``; None: the default).

    Names as in FEATURES, without those that need the model again. What the run does not have is NaN. Only the method of
    ``importance`` counts; its sink, granularity and inputs do not matter here, where sink and markup are separate
    anyway. Raises MethodError for an importance of another run, or of picked layers and heads.
    """
    if not isinstance(trace, Trace):
        raise MethodError(f"features needs the trace that run gave, not {short_repr(trace)}.")
    method = DEFAULT_METHOD
    if importance is not None:
        if not isinstance(importance, Importance) or importance.trace_id != trace.id:
            raise MethodError("The importance is not of this run: make it with explain(trace, ...).")
        if importance.parameters.get("layers") is not None or importance.parameters.get("heads") is not None:
            raise MethodError("features takes a method over its own layers: call explain without layers and heads.")
        method = importance.method
    found = make_digest(trace, (method,))
    return _read_rows(found, method) | _read_digest(found)


def digest_features(found: Digest) -> dict[str, float]:
    """Returns every feature of a digest that needs no effects, one column per method that the digest holds."""
    out = _read_rows(found, DEFAULT_METHOD) | _read_digest(found)
    for method in found.methods:
        if method != DEFAULT_METHOD:
            out |= {column_name(name, method): value for name, value in _read_rows(found, method).items()}
    return out


def effect_features(effects: Mapping[str, float], tokens: int) -> dict[str, float]:
    """Returns the causal columns from total effects {masked_total_SEG: nats} and the answer's number of ``tokens``."""
    found = EffectReading(effects, tokens)
    return {name: float(f.function(found)) for name, f in FEATURES.items() if f.needs == "effects"}


def _read_rows(found: Digest, method: str) -> dict[str, float]:
    reading = reading_of(found, method)
    rows = {name: f.function for name, f in FEATURES.items() if f.needs == "rows"}
    return {name: np.nan if reading is None else float(function(reading)) for name, function in rows.items()}


def _read_digest(found: Digest) -> dict[str, float]:
    return {name: float(f.function(found)) for name, f in FEATURES.items() if f.needs == "digest"}


def reading_of(found: Digest, method: str = DEFAULT_METHOD) -> MethodReading | None:
    """Returns one method's rows of the answer; None for a run without attention or without an answer."""
    steps = found.answer_steps
    if method not in found.methods or not len(steps):
        return None
    at = found.methods.index(method)
    return MethodReading(found, kept_weights(found, method)[steps], found.uniform[at][steps].astype(np.float64), steps)


def lookback(trace: Trace) -> tuple[float, np.ndarray, np.ndarray]:
    """Returns (overall, float32 [L] by layer, float32 [L, H] by head) lookback ratio; see the feature ``lookback``.

    L counts the layers that have attention; NaN for heads that a layer lacks, and for answers of one step.
    """
    found = make_digest(trace, ())
    heads = found.lookback.astype(np.float32)
    known = np.isfinite(heads)
    layers = np.where(known, heads, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)
    return lookback_ratio(found), layers.astype(np.float32), heads


def span_features(found: Digest, name: str, method: str = DEFAULT_METHOD) -> dict[str, float]:
    """Returns {share, multiple} of one named part, e.g. ``check 1``; NaN where the prompt has none."""
    reading = reading_of(found, method)
    if reading is None or f"segment:{name}" not in found.groups:
        return {"share": np.nan, "multiple": np.nan}
    return {"share": mean_share(name)(reading), "multiple": multiple_of_uniform(name)(reading)}


def head_features(found: Digest, part: str = "all") -> tuple[tuple[str, ...], np.ndarray]:
    """Returns (names [F], float32 [F, L, H]): each head's share on HEAD_GROUPS over a part of the answer, and lookback.

    ``part``: one of SLICES. A part that the prompt does not have has share 0; lookback is NaN in the first step, which
    has nothing to look back on. NaN for heads that a layer lacks.
    """
    shares = found.heads[SLICES.index(part)].astype(np.float32)
    out = [shares[..., group_places(found, name)].sum(-1) for name in HEAD_GROUPS]
    last = found.lookback.astype(np.float32) if part != "first step" else np.full(shares.shape[:2], np.nan, np.float32)
    return (*HEAD_GROUPS, "lookback"), np.stack([*out, last])


def head_entropies(found: Digest, part: str = "all") -> np.ndarray:
    """Returns float32 [L, H]: the 2-Renyi entropy of each head's rows, mean over a part of the answer (of SLICES).

    NaN for heads that a layer lacks, and for all heads of runs of before 0.5.0.
    """
    if not found.spread.size:
        return np.full(found.heads.shape[1:3], np.nan, np.float32)
    return found.spread[SLICES.index(part)].astype(np.float32)
