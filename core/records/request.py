"""The record of what was asked: the model by fingerprint, the prompt, and every setting that determines the output."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from ..checks import (
    LARGEST_SEED,
    SMALLEST_SEED,
    check_choice,
    check_ids,
    check_number,
    check_switch,
    check_text,
    check_texts,
    check_whole,
)
from ..errors import PromptError
from .arrays import check_shape, set_fields
from .steering import Steering

SCHEMA = 1
"""Version of the stored records; part of every request id."""

ModelKind = Literal["decoder", "encoder", "encdec"]
"""``decoder``: goes on with a text; ``encoder``: reads one and writes none; ``encdec``: an encoder reads it, a decoder
writes."""

Span = tuple[int, int]
"""(start, end): characters start:end of a text."""

WITH_HEADS = ("all", "components")
"""Values of ``Request.keep`` with which the rows of every head are kept."""

MessageSpan = tuple[int, int, int]
"""(message, start, end): characters start:end of that message of the request, 0 for raw text."""


@dataclass(frozen=True)
class ModelKey:
    """What a request needs to know of a model: all of it known without loading anything."""

    name: str
    """Catalogue name, hub id, absolute folder or absolute path of a ``.gguf``."""
    fingerprint: str
    """sha256 (hex) of the source: weights, tokenizer, template and config."""
    dtype: str = "float32"
    """``float32``, ``bfloat16``, ``float16``, ``8-bit`` or ``4-bit``."""
    device: str = "cpu"
    """``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto``: layers on several of them."""


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
    kind: ModelKind
    layers: int
    """All layers, also those without attention; of an encoder-decoder those of its decoder."""
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
    steered: str = field(default="", metadata={"added": "0.8.0"})
    """What part of the prompt it read more or less than by itself (``steering_label``); "" for a plain run."""

    def __post_init__(self) -> None:
        set_fields(
            self, attention_layers=tuple(self.attention_layers), windows=tuple(self.windows), notes=tuple(self.notes)
        )
        check_shape("windows", (len(self.windows),), (len(self.attention_layers),))

    @property
    def reader(self) -> str:
        """Label, and what a run was steered by: the model's name where runs stand side by side, or in a sentence."""
        return f"{self.label}, steered: {self.steered}" if self.steered else self.label

    @property
    def caption(self) -> str:
        """Label, quantisation, dtype, short fingerprint, and what a run was steered by: one line for figures."""
        quantised = "" if self.quantisation == "none" else f" · {self.quantisation}"
        steered = f" · steered: {self.steered}" if self.steered else ""
        return f"{self.label}{quantised} · {self.key.dtype} · {self.key.fingerprint[:8]}{steered}"


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
    label: str = field(default="", metadata={"added": "0.9.0"})
    """What tells it apart from others of its name (the name of a document); "" where a number does."""


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
    keep: Literal["all", "reduced", "none", "components"] = "all"
    """Rows to store: every head, per-layer mean and maximum, or none; ``components``: every head, and what the model's
    other parts did (``Components``)."""
    steering: tuple[Steering, ...] = field(default=(), metadata={"added": "0.8.0"})
    """Parts of the prompt that are read more or less than by itself; part of the id. What changes nothing is left out.
    """

    def __post_init__(self) -> None:
        set_fields(self, **self._plain())
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
        for message, start, end in (span for one in self.steering for span in one.spans):
            body = read[message] if 0 <= message < len(read) else None
            if body is None or end > len(body):
                raise PromptError(
                    f"The part to steer ({message}, {start}, {end}) lies outside the prompt: give characters of a "
                    "message's text (prompts given as token ids cannot be steered)."
                )

    def _plain(self) -> dict[str, Any]:
        """Settings as plain values, so that 1, 1.0 and a numpy 1 have one id. Raises PromptError."""
        hot = check_number("Temperature", self.temperature, "lie between 0 (greedy) and 10")
        top_p = check_number("Top-p", self.top_p, "be above 0 and at most 1")
        if not 0 <= hot <= 10:
            raise PromptError(f"Temperature must lie between 0 (greedy) and 10, not {hot}.")
        if not 0 < top_p <= 1:
            raise PromptError(f"Top-p must be above 0 and at most 1, not {top_p}.")
        own = ": to replace the template's own system message, put a message with the role system first"
        return {
            "messages": tuple(self.messages),
            "token_ids": None if self.token_ids is None else check_ids("The prompt", self.token_ids),
            "answer_ids": None if self.answer_ids is None else check_ids("The answer", self.answer_ids),
            "system": check_choice("System", self.system, ("keep", "none"), own),
            "thinking": check_switch("Thinking", self.thinking),
            "date": check_text("The date", self.date),
            "max_new_tokens": check_whole("New tokens (max_new_tokens)", self.max_new_tokens, 1, 100_000),
            "temperature": hot,
            "top_p": top_p,
            "seed": check_whole("Seed", self.seed, SMALLEST_SEED, LARGEST_SEED, "of at most 64 bits"),
            "stop": check_texts("Stop", self.stop),
            "author": check_text("The author", self.author),
            "keep": check_choice("Keep", self.keep, ("all", "reduced", "none", "components")),
            "steering": self._steering(),
        }

    def _steering(self) -> tuple[Steering, ...]:
        given = (self.steering,) if isinstance(self.steering, Steering) else tuple(self.steering)
        if not all(isinstance(one, Steering) for one in given):
            raise PromptError('Steering is given to run as steer={"instruction": 4}, or as a list of Steering.')
        if len(given) > 1 and any(one.target is not None for one in given):
            raise PromptError("A target share is for one part alone: steer the others by a factor in another run.")
        return tuple(one for one in given if one.changes)

    @property
    def scored(self) -> bool:
        """True when the answer was given and only read."""
        return self.answer is not None or self.answer_ids is not None

    @property
    def writer(self) -> str:
        """Who wrote an answer that this model only read: its author, or "somebody"; "" where the model wrote it."""
        return self.author or ("somebody" if self.scored else "")

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
        if not self.steering:  # a plain run has the id that it had before there was any steering
            record.pop("steering")
        for one in record.get("steering", ()):
            one.pop("name")
        return json.dumps(record, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """sha256 (hex) of ``canonical``: cache key, ``?run=``, job and study cell."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()
