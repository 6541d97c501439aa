"""The records of a study: an Item to ask about, what is Answered to it, and the Digest that is kept of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arrays import check_shape, frozen_array, set_fields
from .request import MessageSpan

SLICES = ("all", "first step", "first third", "last third")
"""The parts of an answer that ``Digest.heads`` is averaged over."""


@dataclass(frozen=True)
class Instruction:
    """One instruction that can be verified, and where the prompt gives it."""

    id: str
    """A key of ``INSTRUCTIONS``, e.g. ``punctuation:no_comma``."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[MessageSpan, ...] = ()
    """Where the prompt asks for it (more than once where the instruction is repeated); empty: not found."""
    text: str = ""
    """The exact words that ask for it, where the item says them; empty: they have to be found."""


@dataclass(frozen=True)
class Item:
    """One thing to ask, before any structure or model. Facts about it never enter a Request's id."""

    id: str
    """Unique in a study; the cluster of every statistic (``prompt_id``)."""
    task: str
    prompt: str = ""
    """The whole prompt, where it has no segments."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """{instruction, context, question: text}, those it has."""
    reference: tuple[str, ...] = ()
    """Answers that count as right, the best first."""
    instructions: tuple[Instruction, ...] = ()
    """Spans are found once the prompt is laid out; here they are empty."""
    factors: Mapping[str, str] = field(default_factory=dict)
    answer: str | None = None
    """A given answer: the run scores it."""
    rating: float | None = None
    """A human rating that came with the item."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """{column: number} of scores that came with the given answer: ``passed:NAME`` (0 or 1) and ``score:NAME``."""

    @property
    def own_words(self) -> str:
        """The text without any structure."""
        return "\n\n".join(self.segments.values()) or self.prompt

    def __post_init__(self) -> None:
        set_fields(self, reference=tuple(self.reference), instructions=tuple(self.instructions))


@dataclass(frozen=True, eq=False)
class Answered:
    """All that metrics of quality may look at: what was asked, what was written, and how likely it was."""

    prompt: str
    """The user's own text, segment marks stripped, without system messages."""
    answer: str
    reference: tuple[str, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    truncated: bool = False
    """Stopped by the token limit: what depends on length or on the end is undefined."""
    logprobs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """float32 [A] of the answer's tokens (no thinking, no end token); empty where no model scored it."""
    entropy: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """float32 [A] nats"""
    token_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 [A]"""
    rating: float | None = None
    task: str = ""
    texts: tuple[str, ...] = ()
    """[A] the answer's tokens as text."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Those of its Item."""


@dataclass(frozen=True, eq=False)
class Digest:
    """What a study keeps of a run, about 100 kB: enough for every feature, without rows of single heads.

    N tokens, P of the prompt, T steps, K = P + T - 1 keys, G groups, L attention layers, H heads.
    """

    run: str
    """Request id: computing the run again gives the full rows."""
    answer: str
    finish: str
    prompt_length: int
    texts: tuple[str, ...]
    """[N]"""
    roles: tuple[str, ...]
    """[N]"""
    parts: tuple[str, ...]
    """[N]"""
    content: np.ndarray
    """bool [P]: the token belongs to a content word of the user's own text (no function word, digit-only counts)."""
    ids: np.ndarray
    """int64 [N]"""
    logprobs: np.ndarray
    """float32 [T]"""
    entropy: np.ndarray
    """float32 [T]"""
    groups: tuple[str, ...]
    """[G] as in Trace: sink, template, system, user, assistant, output, query, ``segment:NAME``."""
    member: np.ndarray
    """float32 [P, G] how much of each prompt token belongs to each group."""
    mass: np.ndarray
    """float32 [T, G] mean over all layers and heads."""
    methods: tuple[str, ...]
    """[M] names in METHODS."""
    uniform: np.ndarray
    """float32 [M, T, G] the share of each group if the method's layers read every readable token equally."""
    rows: np.ndarray
    """uint16 [M, T, K] each method's weights, packed as in Rows: round(65535 * sqrt(a))."""
    heads: np.ndarray
    """float16 [slice, L, H, G] share of each group, mean over the steps of that part of the answer (SLICES); NaN where
    a layer has fewer heads or the part has no step."""
    lookback: np.ndarray
    """float16 [L, H] lookback ratio, mean over the answer's steps after the first."""
    layers: tuple[int, ...]
    """[L] layer_idx"""
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """float32 [M] what a weight of 1 in ``rows`` stands for: 1 for shares, the largest value for larger scores. Digests
    of 0.3.0 have none: 1."""
    negative: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), bool))
    """bool [M, T, K] the weight in ``rows`` counts as below 0 (methods that give nats). Older digests have none: no."""
    spread: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))
    """float16 [slice, L, H] 2-Renyi entropy of a head's row in nats, mean over the steps of that part of the answer.

    NaN where a layer has fewer heads or the part has no step. Without entries where heads were not kept (before 0.5.0).
    """
    before: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float16))
    """float16 [L, T] share on the token just before, by the head of each layer that reads it most over the answer.
    Without entries before 0.5.0."""
    forming: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """float32 [3, T] of the model's other parts: the layer from which on each token was the lens's first choice, as a
    part of all layers (NaN: never); the lens's entropy in nats at the middle layer; attention's part of what attention
    and MLPs write, mean over layers. Without entries where a run did not record them."""
    learned: str = ""
    """Id of the weights of heads that a method read the run by; "" where none did."""

    def __post_init__(self) -> None:
        n = len(self.texts)
        set_fields(
            self,
            content=frozen_array(self.content, bool, 1, "content"),
            ids=frozen_array(self.ids, np.int64, 1, "ids"),
            logprobs=frozen_array(self.logprobs, np.float32, 1, "logprobs"),
            entropy=frozen_array(self.entropy, np.float32, 1, "entropy"),
            member=frozen_array(self.member, np.float32, 2, "member"),
            mass=frozen_array(self.mass, np.float32, 2, "mass"),
            uniform=frozen_array(self.uniform, np.float32, 3, "uniform"),
            rows=frozen_array(self.rows, np.uint16, 3, "rows"),
            negative=frozen_array(self.negative if self.negative.size else np.zeros(self.rows.shape), bool, 3, "sign"),
            heads=frozen_array(self.heads, np.float16, 4, "heads"),
            lookback=frozen_array(self.lookback, np.float16, 2, "lookback"),
            spread=frozen_array(self.spread, np.float16, 3, "spread"),
            before=frozen_array(self.before, np.float16, 2, "before"),
            forming=frozen_array(self.forming, np.float32, 2, "forming"),
            scale=frozen_array(self.scale if len(self.scale) else np.ones(len(self.methods)), np.float32, 1, "scale"),
            **{k: tuple(getattr(self, k)) for k in ("texts", "roles", "parts", "groups", "methods", "layers")},
        )
        p, t, g = self.prompt_length, n - self.prompt_length, len(self.groups)
        check_shape("roles", (len(self.roles), len(self.parts), len(self.ids)), (n, n, n))
        check_shape("content", self.content.shape, (p,))
        check_shape("logprobs", self.logprobs.shape, (t,))
        check_shape("member", self.member.shape, (p, g))
        check_shape("mass", self.mass.shape, (t, g))
        check_shape("uniform", self.uniform.shape, (len(self.methods), t, g))
        check_shape("scale", self.scale.shape, (len(self.methods),))
        check_shape("rows", self.rows.shape, (len(self.methods), t, max(n - 1, 0)))
        check_shape("negative", self.negative.shape, self.rows.shape)
        check_shape("heads", (self.heads.shape[:2], self.heads.shape[3]), ((len(SLICES), len(self.layers)), g))

    @property
    def steps(self) -> int:
        """T"""
        return len(self.texts) - self.prompt_length

    @property
    def truncated(self) -> bool:
        """Stopped by the token limit."""
        return self.finish == "length"

    @property
    def answer_steps(self) -> np.ndarray:
        """int [A] the steps that wrote the answer itself."""
        return np.flatnonzero(np.array(self.parts[self.prompt_length :]) == "answer")
