"""The record of one run: its tokens, attention rows and log-probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..errors import MethodError
from .arrays import check_shape, frozen_array, set_fields
from .components import Components
from .request import ModelRef, Request

MEAN, MAX, WRITTEN = -1, -2, -3
"""In ``Rows.heads``: not one head but the mean / the maximum over the heads of that layer, or the mean of weight times
the length of what the head writes for the key (in the model's own units, no shares)."""

ROLES = ("system", "user", "assistant", "template")
PARTS = ("prompt", "thinking", "answer", "end")
SEGMENTS = ("instruction", "context", "example", "question")
FINISH = ("end", "stop", "length", "given")
TOP = 5
"""How many alternatives a step keeps."""


@dataclass(frozen=True)
class Source:
    """A text that token spans point into."""

    text: str
    role: str
    origin: Literal["user", "template", "model"]
    """Who wrote it: the user, the chat template (a system message of its own), or the model (the answer)."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Per token of prompt and output (N in all): what it is, and where it stands in whose text."""

    ids: np.ndarray
    """int64 [N]"""
    texts: tuple[str, ...]
    """[N] the decoded piece; a piece of a character that alone is not valid UTF-8 shows as U+FFFD."""
    message: np.ndarray
    """int32 [N] index into ``sources``; -1 is markup."""
    start: np.ndarray
    """int32 [N] first character of the span in its source, closed over grapheme clusters; -1 unknown."""
    end: np.ndarray
    """int32 [N] one past the last character; -1 unknown."""
    roles: tuple[str, ...]
    """[N] one of ROLES."""
    parts: tuple[str, ...]
    """[N] one of PARTS."""
    sources: tuple[Source, ...] = ()
    proven: bool = True
    """Spans were proven by rebuilding the rendered text; False: token level only."""

    def __post_init__(self) -> None:
        n = len(self.texts)
        set_fields(
            self,
            ids=frozen_array(self.ids, np.int64, 1, "ids"),
            message=frozen_array(self.message, np.int32, 1, "message"),
            start=frozen_array(self.start, np.int32, 1, "start"),
            end=frozen_array(self.end, np.int32, 1, "end"),
            texts=tuple(self.texts),
            roles=tuple(self.roles),
            parts=tuple(self.parts),
            sources=tuple(self.sources),
        )
        for name in ("ids", "message", "start", "end", "roles", "parts"):
            check_shape(f"Tokens.{name}", (len(getattr(self, name)),), (n,))
        if set(self.roles) - set(ROLES) or set(self.parts) - set(PARTS):
            raise ValueError(f"Unknown role or part: {set(self.roles) - set(ROLES) or set(self.parts) - set(PARTS)}.")
        if n and (self.message.min() < -1 or self.message.max() >= len(self.sources)):
            raise ValueError(f"message must lie in -1 .. {len(self.sources) - 1}.")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def prompt_length(self) -> int:
        """Number of tokens of the prompt."""
        return self.parts.count("prompt")

    @cached_property
    def own(self) -> np.ndarray:
        """bool [N]: the token stands in a text that the user wrote."""
        origin = [s.origin == "user" for s in self.sources] + [False]
        return np.array(origin, dtype=bool)[self.message]


SCALE = 65535.0


@dataclass(frozen=True, eq=False)
class Rows:
    """Attention rows: one map per head (or per reduction), compressed.

    A weight a is stored as round(65535 * sqrt(a)) in 16 bits: within 1.6e-5 of a, never zero above
    6e-11. ``sums`` keeps the true row sum, and reading scales each row to it. Fresh results pass
    through the same 16 bits, so that fresh and cached agree to the last bit.
    """

    queries: np.ndarray
    """int32 [R] position of each query token; step t is P - 1 + t."""
    layers: np.ndarray
    """int32 [M] ``layer_idx`` of each map."""
    heads: np.ndarray
    """int32 [M] head of each map, or MEAN / MAX / WRITTEN over the layer's heads."""
    packed: np.ndarray
    """uint16 [M, R, K]"""
    sums: np.ndarray
    """float32 [M, R] sum of each row before packing: 1, or less where a learned sink takes the rest; any for MAX and
    WRITTEN."""
    kind: Literal["self", "encoder", "cross"] = "self"

    def __post_init__(self) -> None:
        set_fields(
            self,
            queries=frozen_array(self.queries, np.int32, 1, "queries"),
            layers=frozen_array(self.layers, np.int32, 1, "layers"),
            heads=frozen_array(self.heads, np.int32, 1, "heads"),
            packed=frozen_array(self.packed, np.uint16, 3, "packed"),
            sums=frozen_array(self.sums, np.float32, 2, "sums"),
        )
        maps, rows, _ = self.packed.shape
        check_shape("Rows.layers", self.layers.shape, (maps,))
        check_shape("Rows.heads", self.heads.shape, (maps,))
        check_shape("Rows.queries", self.queries.shape, (rows,))
        check_shape("Rows.sums", self.sums.shape, (maps, rows))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.packed.nbytes + self.sums.nbytes

    @cached_property
    def _scale(self) -> np.ndarray:
        """float32 [M, R]: what squared integers are multiplied by to give weights."""
        total = np.empty(self.sums.shape, np.float64)
        for m, page in enumerate(self.packed):
            page = page.astype(np.float32)
            total[m] = np.einsum("rk,rk->r", page, page, dtype=np.float64)
        return (self.sums / np.where(total > 0, total, 1)).astype(np.float32)

    def weights(self, maps: Any = slice(None), rows: Any = slice(None), keys: Any = slice(None)) -> np.ndarray:
        """float32 [map, row, key] of the picked maps, rows and keys (each a slice or an index array)."""
        picked = self.packed[maps][:, rows][:, :, keys].astype(np.float32)
        np.square(picked, out=picked)
        picked *= self._scale[maps][:, rows][:, :, None]
        return picked


def rows_bytes(maps: int, prompt: int, steps: int) -> int:
    """Returns the bytes of ``maps`` maps of ``steps`` rows behind ``prompt`` tokens."""
    return 2 * maps * steps * max(prompt + steps - 1, 0)


def steps_that_fit(maps: int, prompt: int, most: int, limit: int) -> int:
    """Returns for how many steps, at most ``most``, the rows of ``maps`` maps take at most ``limit`` bytes."""
    if maps == 0:
        return most
    before = prompt - 1  # solves steps * (before + steps) = cells
    cells = limit / (2 * maps)
    steps = int((-before + math.sqrt(before * before + 4 * cells)) / 2)
    while steps > 0 and rows_bytes(maps, prompt, steps) > limit:  # a rounded root may be one too large
        steps -= 1
    return min(max(steps, 0), most)


@dataclass(frozen=True, eq=False)
class Trace:
    """A model's run over one prompt: what it read and wrote, with attention rows and log-probabilities."""

    request: Request
    model: ModelRef
    tokens: Tokens
    prompt_length: int
    """P"""
    logprobs: np.ndarray
    """float32 [T] natural log-probability of each output token, from raw logits."""
    entropy: np.ndarray
    """float32 [T] nats, of the whole next-token distribution."""
    alternative_ids: np.ndarray
    """int64 [T, 5] the five best tokens of each step, best first."""
    alternative_logprobs: np.ndarray
    """float32 [T, 5]"""
    alternative_texts: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...]
    """[G] names of ``mass``'s last axis: sink, template, system, user, assistant, output (these six are
    disjoint and sum to the row), query (the query token itself), and ``segment:NAME``."""
    mass: np.ndarray
    """float32 [attention layer, head, step, G] share of each row that falls on each group; NaN where a layer has
    fewer heads."""
    finish: Literal["end", "stop", "length", "given"]
    rows: Rows | None = None
    norms: np.ndarray | None = field(default=None, metadata={"added": "0.5.0"})
    """float16 [attention layer, head, key] length of what a head would write for a key that it gave all its attention
    (core/models/value_norms.py); NaN where a layer has fewer heads; no keys where it is not known for this model, None
    where the run was made before 0.5.0 or does not keep heads."""
    ranks: np.ndarray | None = field(default=None, metadata={"added": "0.6.0"})
    """int32 [T] place of each output token among all by probability, 1 for the likeliest; None where the run was made
    before 0.6.0."""
    components: Components | None = field(default=None, metadata={"added": "0.7.0"})
    """The model's other parts in this run; None where they were not asked for (``keep="components"``)."""
    encoder_rows: Rows | None = field(default=None, metadata={"added": "0.7.0"})
    """How an encoder-decoder's encoder read the input: [map, P, P], ``layers`` counted in the encoder."""
    decoder_rows: Rows | None = field(default=None, metadata={"added": "0.7.0"})
    """How its decoder read its own output: [map, T, T]; query and key t are the start token for t = 0, else output
    token t - 1, and row t predicted output token t."""
    rendered: str = ""
    """The prompt as the model read it, markup included."""
    notes: tuple[str, ...] = ()
    """What a reader should know, in sentences."""
    created: str = ""
    """ISO time, UTC."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        t = len(self.tokens) - self.prompt_length
        if self.prompt_length < 1 or t < 0:
            raise ValueError(f"prompt_length {self.prompt_length} does not fit {len(self.tokens)} tokens.")
        if self.finish not in FINISH:
            raise ValueError(f"finish must be one of {FINISH}, not {self.finish!r}.")
        set_fields(
            self,
            logprobs=frozen_array(self.logprobs, np.float32, 1, "logprobs"),
            entropy=frozen_array(self.entropy, np.float32, 1, "entropy"),
            alternative_ids=frozen_array(self.alternative_ids, np.int64, 2, "alternative_ids"),
            alternative_logprobs=frozen_array(self.alternative_logprobs, np.float32, 2, "alternative_logprobs"),
            alternative_texts=tuple(tuple(a) for a in self.alternative_texts),
            mass=frozen_array(self.mass, np.float32, 4, "mass"),
            groups=tuple(self.groups),
            notes=tuple(self.notes),
        )
        check_shape("logprobs", self.logprobs.shape, (t,))
        check_shape("entropy", self.entropy.shape, (t,))
        check_shape("alternative_ids", self.alternative_ids.shape, (t, self.alternative_logprobs.shape[1]))
        check_shape("alternative_logprobs", self.alternative_logprobs.shape[:1], (t,))
        check_shape("alternative_texts", (len(self.alternative_texts),), (t,))
        check_shape(
            "mass", self.mass.shape[:1] + self.mass.shape[2:], (len(self.model.attention_layers), t, len(self.groups))
        )
        if self.ranks is not None:
            set_fields(self, ranks=frozen_array(self.ranks, np.int32, 1, "ranks"))
            check_shape("ranks", self.ranks.shape, (t,))
        if self.norms is not None:
            set_fields(self, norms=frozen_array(self.norms, np.float16, 3, "norms"))
            keys = max(len(self.tokens) - 1, 0) if self.norms.shape[2] else 0
            check_shape("norms", self.norms.shape, (*self.mass.shape[:2], keys))
        for name, rows, size in (
            ("encoder_rows", self.encoder_rows, self.prompt_length),
            ("decoder_rows", self.decoder_rows, t),
        ):
            if rows is not None:
                check_shape(name, rows.packed.shape[1:], (size, size))
        if self.components is not None:
            read = (self.model.layers + 1, max(len(self.tokens) - 1, 0))
            check_shape("components.residual", self.components.residual.shape, read)
            steps = t if self.components.has_lens else 0
            check_shape("components.lens_ids", self.components.lens_ids.shape, (self.model.layers + 1, steps))
        if self.rows is not None:
            check_shape("rows", self.rows.packed.shape[1:], (t, max(len(self.tokens) - 1, 0)))

    @property
    def id(self) -> str:
        """Id of the run: the hash of its request."""
        return self.request.id

    @property
    def steps(self) -> int:
        """T"""
        return len(self.tokens) - self.prompt_length

    @property
    def reads_prompt_only(self) -> bool:
        """Whether its rows are cross-attention: every step reads the P input tokens and no output, in any step."""
        return self.model.kind == "encdec"

    @property
    def token_ids(self) -> np.ndarray:
        """int64 [N]: prompt, then output."""
        return self.tokens.ids

    @property
    def input_tokens(self) -> tuple[str, ...]:
        """The P prompt tokens as text."""
        return self.tokens.texts[: self.prompt_length]

    @property
    def output_tokens(self) -> tuple[str, ...]:
        """The T output tokens as text, thinking and the end token included."""
        return self.tokens.texts[self.prompt_length :]

    @property
    def answer(self) -> str:
        """The answer as text: no thinking, no end token."""
        return self.tokens.sources[-1].text if self.tokens.sources else ""

    @cached_property
    def answer_steps(self) -> np.ndarray:
        """int [A] the steps that wrote the answer itself."""
        return np.flatnonzero(np.array(self.tokens.parts[self.prompt_length :]) == "answer")

    @property
    def attention(self) -> np.ndarray:
        """float32 [layer, head, step, key], layer by ``layer_idx``; NaN where a layer has no attention (or
        fewer heads). Raises MethodError when not every head was kept."""
        if self.rows is None or (self.rows.heads < 0).any():
            kept = "no attention rows" if self.rows is None else "only each layer's mean and maximum"
            raise MethodError(f"This run keeps {kept}: run it again with keep='all' to read every head.")
        maps, steps, keys = self.rows.packed.shape
        out = np.full((self.model.layers, self.model.heads, steps, keys), np.nan, np.float32)
        for m in range(maps):
            out[self.rows.layers[m], self.rows.heads[m]] = self.rows.weights([m])[0]
        return out
