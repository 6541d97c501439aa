"""The values that flow through Heed: Request -> Trace -> Importance. numpy only, frozen, checked when made.

Axis order everywhere: ``layer, head, step, key``. ``P`` is the number of prompt tokens, ``T`` the
number of output tokens (steps, the end token included), ``N = P + T`` and ``K = P + T - 1`` the number
of keys that any step can read. **The row of step t is the query row of the token before it** (position
P - 1 + t): that row predicted token t. Arrays are made read-only, so that a record can be shared.

To add a field: say its shape in the docstring, check it in ``__post_init__``, raise ``SCHEMA`` if the
meaning of a stored record changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from core.checks import LARGEST_SEED, SMALLEST_SEED, choice, ids, number, switch, text, texts, whole
from core.errors import MethodError, PromptError

SCHEMA = 1
"""Version of the stored records; part of every request id."""

MEAN, MAX = -1, -2
"""In ``Rows.heads``: not one head but the mean / the maximum over the heads of that layer."""

ROLES = ("system", "user", "assistant", "template")
PARTS = ("prompt", "thinking", "answer", "end")
SEGMENTS = ("instruction", "context", "example", "question")
FINISH = ("end", "stop", "length", "given")
TOP = 5
"""How many alternatives a step keeps."""


def _array(value: Any, dtype: Any, ndim: int, name: str) -> np.ndarray:
    out = np.asarray(value, dtype=dtype)
    if out.ndim != ndim:
        raise ValueError(f"{name} has {out.ndim} axes {out.shape}, expected {ndim}.")
    if out.flags.writeable:
        out = out.view()
        out.flags.writeable = False
    return out


def _same(name: str, seen: tuple, expected: tuple) -> None:
    if tuple(seen) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(seen)}, expected {tuple(expected)}.")


def _set(record: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True)
class ModelKey:
    """What a request needs to know of a model: all of it known without loading anything."""

    name: str
    """Catalogue name, hub id, absolute folder or absolute path of a ``.gguf``."""
    fingerprint: str
    """sha256 (hex) of the source: weights, tokenizer, template and config."""
    dtype: str = "float32"
    """``float32`` or ``bfloat16``."""
    device: str = "cpu"
    """``cpu``, ``cuda``, ``mps``."""


@dataclass(frozen=True)
class ModelRef:
    """A loaded model, described; what stands on figures and exports. One name is one set of weights."""

    key: ModelKey
    label: str
    """For people, e.g. ``SmolLM2 135M Instruct``."""
    quantisation: str
    """``none``, or the GGUF type that the weights came from, e.g. ``Q4_1``."""
    source: str
    """Where the weights came from, in one line."""
    tokenizer_fingerprint: str
    """sha256 (hex) of the tokenizer's files; equal means same tokens."""
    family: str
    """``config.model_type``."""
    kind: Literal["decoder", "encoder", "encdec"]
    layers: int
    """All layers, also those without attention."""
    heads: int
    """Query heads of a layer (the most, where layers differ)."""
    attention_layers: tuple[int, ...]
    """``layer_idx`` of the layers that have attention."""
    windows: tuple[int | None, ...]
    """Sliding window per attention layer (None: reads everything)."""
    attention: Literal["dispatch", "eager", "none"]
    """How attention is taken: on the sdpa path, by the slow eager path, or not at all."""
    context: int
    """Most tokens that the model can read."""
    parameters: int
    has_template: bool
    notes: tuple[str, ...] = ()
    """What a user should know, in sentences (fallbacks, hybrids)."""

    def __post_init__(self) -> None:
        _set(self, attention_layers=tuple(self.attention_layers), windows=tuple(self.windows), notes=tuple(self.notes))
        _same("windows", (len(self.windows),), (len(self.attention_layers),))

    @property
    def caption(self) -> str:
        """Label, quantisation, dtype and short fingerprint: one line for figures."""
        quantised = "" if self.quantisation == "none" else f" · {self.quantisation}"
        return f"{self.label}{quantised} · {self.key.dtype} · {self.key.fingerprint[:8]}"


@dataclass(frozen=True)
class Message:
    """One chat message as the user wrote it, segment marks already stripped."""

    role: str
    content: str


@dataclass(frozen=True)
class Segment:
    """A named part of the prompt: characters ``start:end`` of message ``message`` (0 in raw text)."""

    name: str
    message: int
    start: int
    end: int


@dataclass(frozen=True)
class Request:
    """Everything that determines a run. ``id`` is the sha256 of its canonical JSON.

    Exactly one of ``messages`` (chat), ``text`` (raw) and ``token_ids`` is given; ``answer`` or
    ``answer_ids`` makes it a run that scores a given answer. ``segments``, ``author`` and ``keep`` do
    not change what the model computes and are not part of the id. Raises PromptError on an empty prompt
    or settings out of range.
    """

    model: ModelKey
    messages: tuple[Message, ...] = ()
    text: str | None = None
    token_ids: tuple[int, ...] | None = None
    answer: str | None = None
    answer_ids: tuple[int, ...] | None = None
    system: Literal["keep", "none"] = "keep"
    """What to do with a system message that the template adds by itself."""
    thinking: bool = False
    date: str = ""
    """ISO date that the template prints; empty where it prints none."""
    max_new_tokens: int = 64
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    """Libraries that the numbers depend on, as sorted (name, version) pairs."""
    schema: int = SCHEMA
    segments: tuple[Segment, ...] = ()
    author: str = ""
    """Who wrote a given answer; empty: this model."""
    keep: Literal["all", "reduced", "none"] = "all"
    """Rows to store: every head, per-layer mean and maximum, or none."""

    def __post_init__(self) -> None:
        _set(self, **self._plain())
        given = [self.messages != (), self.text is not None, self.token_ids is not None]
        if sum(given) > 1:
            raise PromptError("A request takes chat messages, raw text or token ids: give only one of them.")
        empty = (
            sum(given) == 0
            or (self.text is not None and not self.text)
            or (self.token_ids is not None and not self.token_ids)
            or (self.messages != () and not any(m.content.strip() for m in self.messages))
        )
        if empty:
            raise PromptError("The prompt is empty: write something for the model to read.")
        if self.answer is not None and self.answer_ids is not None:
            raise PromptError("Give the answer as text or as token ids, not both.")
        if self.answer == "" or self.answer_ids == ():
            raise PromptError("The given answer is empty: paste the answer that is to be scored.")
        read: list[str | None] = [m.content for m in self.messages] or [self.text]
        for s in self.segments:
            body = read[s.message] if 0 <= s.message < len(read) else None
            if body is None or not 0 <= s.start < s.end <= len(body):
                raise ValueError(f"Segment {s} lies outside the text of its message.")

    def _plain(self) -> dict[str, Any]:
        """Settings as plain values, so that 1, 1.0 and a numpy 1 have one id. Raises PromptError."""
        hot = number("Temperature", self.temperature, "lie between 0 (greedy) and 10")
        top_p = number("Top-p", self.top_p, "be above 0 and at most 1")
        if not 0 <= hot <= 10:
            raise PromptError(f"Temperature must lie between 0 (greedy) and 10, not {hot}.")
        if not 0 < top_p <= 1:
            raise PromptError(f"Top-p must be above 0 and at most 1, not {top_p}.")
        own = ": to replace the template's own system message, put a message with the role system first"
        return {
            "messages": tuple(self.messages),
            "token_ids": None if self.token_ids is None else ids("The prompt", self.token_ids),
            "answer_ids": None if self.answer_ids is None else ids("The answer", self.answer_ids),
            "system": choice("System", self.system, ("keep", "none"), own),
            "thinking": switch("Thinking", self.thinking),
            "date": text("The date", self.date),
            "max_new_tokens": whole("New tokens (max_new_tokens)", self.max_new_tokens, 1, 100_000),
            "temperature": hot,
            "top_p": top_p,
            "seed": whole("Seed", self.seed, SMALLEST_SEED, LARGEST_SEED, "of at most 64 bits"),
            "stop": texts("Stop", self.stop),
            "author": text("The author", self.author),
            "keep": choice("Keep", self.keep, ("all", "reduced", "none")),
        }

    @property
    def scored(self) -> bool:
        """True when the answer was given and only read."""
        return self.answer is not None or self.answer_ids is not None

    @cached_property
    def canonical(self) -> str:
        """The JSON behind ``id``: settings that cannot change the output are set to their defaults."""
        settled: dict[str, Any] = {}
        if self.temperature == 0 or self.scored:
            settled = {"seed": 0, "top_p": 1.0, "temperature": 0.0}
        if self.scored:
            settled |= {"max_new_tokens": 1, "stop": ()}
        if not self.messages:
            settled |= {"system": "keep", "thinking": False, "date": ""}
        record = asdict(replace(self, **settled))
        for name in ("segments", "author", "keep"):
            record.pop(name)
        return json.dumps(record, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """sha256 (hex) of ``canonical``: cache key, ``?run=``, job and study cell."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


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
        _set(
            self,
            ids=_array(self.ids, np.int64, 1, "ids"),
            message=_array(self.message, np.int32, 1, "message"),
            start=_array(self.start, np.int32, 1, "start"),
            end=_array(self.end, np.int32, 1, "end"),
            texts=tuple(self.texts),
            roles=tuple(self.roles),
            parts=tuple(self.parts),
            sources=tuple(self.sources),
        )
        for name in ("ids", "message", "start", "end", "roles", "parts"):
            _same(f"Tokens.{name}", (len(getattr(self, name)),), (n,))
        if set(self.roles) - set(ROLES) or set(self.parts) - set(PARTS):
            raise ValueError(f"Unknown role or part: {set(self.roles) - set(ROLES) or set(self.parts) - set(PARTS)}.")
        if n and (self.message.min() < -1 or self.message.max() >= len(self.sources)):
            raise ValueError(f"message must lie in -1 .. {len(self.sources) - 1}.")

    def __len__(self) -> int:
        return len(self.texts)

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
    """int32 [M] head of each map, or MEAN / MAX over the layer's heads."""
    packed: np.ndarray
    """uint16 [M, R, K]"""
    sums: np.ndarray
    """float32 [M, R] sum of each row before packing: 1, or less where a learned sink takes the rest; for MAX any."""
    kind: Literal["self", "encoder", "cross"] = "self"

    def __post_init__(self) -> None:
        _set(
            self,
            queries=_array(self.queries, np.int32, 1, "queries"),
            layers=_array(self.layers, np.int32, 1, "layers"),
            heads=_array(self.heads, np.int32, 1, "heads"),
            packed=_array(self.packed, np.uint16, 3, "packed"),
            sums=_array(self.sums, np.float32, 2, "sums"),
        )
        maps, rows, _ = self.packed.shape
        _same("Rows.layers", self.layers.shape, (maps,))
        _same("Rows.heads", self.heads.shape, (maps,))
        _same("Rows.queries", self.queries.shape, (rows,))
        _same("Rows.sums", self.sums.shape, (maps, rows))

    @property
    def nbytes(self) -> int:
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
        _set(
            self,
            logprobs=_array(self.logprobs, np.float32, 1, "logprobs"),
            entropy=_array(self.entropy, np.float32, 1, "entropy"),
            alternative_ids=_array(self.alternative_ids, np.int64, 2, "alternative_ids"),
            alternative_logprobs=_array(self.alternative_logprobs, np.float32, 2, "alternative_logprobs"),
            alternative_texts=tuple(tuple(a) for a in self.alternative_texts),
            mass=_array(self.mass, np.float32, 4, "mass"),
            groups=tuple(self.groups),
            notes=tuple(self.notes),
        )
        _same("logprobs", self.logprobs.shape, (t,))
        _same("entropy", self.entropy.shape, (t,))
        _same("alternative_ids", self.alternative_ids.shape, (t, self.alternative_logprobs.shape[1]))
        _same("alternative_logprobs", self.alternative_logprobs.shape[:1], (t,))
        _same("alternative_texts", (len(self.alternative_texts),), (t,))
        _same(
            "mass", self.mass.shape[:1] + self.mass.shape[2:], (len(self.model.attention_layers), t, len(self.groups))
        )
        if self.rows is not None:
            _same("rows", self.rows.packed.shape[1:], (t, max(len(self.tokens) - 1, 0)))

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def steps(self) -> int:
        """T"""
        return len(self.tokens) - self.prompt_length

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


@dataclass(frozen=True, eq=False)
class Units:
    """How tokens make up what a reader sees: words, sentences, segments, roles or the tokens themselves.

    ``token[i]`` belongs to ``unit[i]`` with ``weight[i]``; the weights of a token sum to 1, so going up
    sums and loses nothing.
    """

    granularity: str
    labels: tuple[str, ...]
    """[U]"""
    message: np.ndarray
    """int32 [U] index into ``Tokens.sources``; -1 is markup."""
    start: np.ndarray
    """int32 [U] span in that source; -1 where it has none."""
    end: np.ndarray
    roles: tuple[str, ...]
    """[U] one of ROLES."""
    token: np.ndarray
    """int32 [E] position of a token."""
    unit: np.ndarray
    """int32 [E]"""
    weight: np.ndarray
    """float32 [E]"""

    def __post_init__(self) -> None:
        u = len(self.labels)
        _set(
            self,
            labels=tuple(self.labels),
            roles=tuple(self.roles),
            message=_array(self.message, np.int32, 1, "message"),
            start=_array(self.start, np.int32, 1, "start"),
            end=_array(self.end, np.int32, 1, "end"),
            token=_array(self.token, np.int32, 1, "token"),
            unit=_array(self.unit, np.int32, 1, "unit"),
            weight=_array(self.weight, np.float32, 1, "weight"),
        )
        for name in ("roles", "message", "start", "end"):
            _same(f"Units.{name}", (len(getattr(self, name)),), (u,))
        for name in ("unit", "weight"):
            _same(f"Units.{name}", getattr(self, name).shape, self.token.shape)
        if len(self.unit) and (self.unit.min() < 0 or self.unit.max() >= u):
            raise ValueError(f"Units.unit must lie in 0 .. {u - 1}.")
        if len(self.token):
            total = np.bincount(self.token, self.weight)
            if not np.allclose(total[np.unique(self.token)], 1, atol=1e-5):
                raise ValueError("The weights of a token over its units must sum to 1.")

    def __len__(self) -> int:
        return len(self.labels)

    def sum(self, values: np.ndarray, first: int = 0) -> np.ndarray:
        """``values[..., token]`` (tokens from position ``first`` on) summed to ``[..., unit]`` (in float64)."""
        picked = (values[..., self.token - first] * self.weight).reshape(-1, len(self.token))
        out = np.zeros((len(self), len(picked)), np.float64)
        np.add.at(out, self.unit, picked.T)
        return out.T.reshape(*values.shape[:-1], len(self)).astype(values.dtype)

    def tokens_of(self, unit: int) -> np.ndarray:
        """Positions of the tokens that have a part in this unit."""
        return self.token[self.unit == unit]


@dataclass(frozen=True, eq=False)
class Importance:
    """What one method says every output row read of every input column. Every method returns this."""

    trace_id: str
    method: str
    values: np.ndarray
    """float32 [row, column]"""
    columns: Units
    rows: Units
    """Units of the output; ``token`` are positions in the whole run."""
    unit: Literal["share", "score"]
    """``share``: of the attention of that step. ``score``: not linear, does not sum to one."""
    sums_to_one: bool
    removed: np.ndarray
    """float32 [row]: what of the row's whole (1 for shares) does not stand in ``values``: earlier output
    when only the prompt is shown, the sink when separated or dropped, the part that a learned sink took."""
    uniform: np.ndarray
    """float32 [row, column] what reading every readable token equally would give."""
    shares: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Always beside: float32 [row] share on ``sink``, ``template`` (markup), ``system``, ``user``, ``assistant``,
    ``query`` (the query token itself) and ``output`` (earlier output)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    row_axis: Literal["step", "query", "layer", "checkpoint"] = "step"
    model: str = ""
    """The model's caption."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _set(
            self,
            values=_array(self.values, np.float32, 2, "values"),
            removed=_array(self.removed, np.float32, 1, "removed"),
            uniform=_array(self.uniform, np.float32, 2, "uniform"),
            shares={k: _array(v, np.float32, 1, k) for k, v in self.shares.items()},
        )
        shape = (len(self.rows), len(self.columns))
        _same("values", self.values.shape, shape)
        _same("uniform", self.uniform.shape, shape)
        _same("removed", self.removed.shape, shape[:1])
        for name, share in self.shares.items():
            _same(name, share.shape, shape[:1])
