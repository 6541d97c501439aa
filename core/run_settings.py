"""The settings of one run as a plain value, for the form of Explore and the columns of Compare.

``RunSettings`` outlives the widgets that show it, so that nothing typed is lost; ``draft`` turns it into what the job
queue takes, ``of`` reads it back from a stored request. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from .capture.steering_words import as_steering
from .errors import HeedError, PromptError
from .models.catalogue import DEFAULT_MODEL
from .models.model_key import asked_name
from .records import Request, Steering
from .runs import Draft
from .text import segment_marks
from .text.document_text import Document, split_documents, with_documents
from .text.moved_part import moved_steering

WRITING = ("max_new_tokens", "temperature", "top_p", "seed", "stop")
TEXTS = ("mode", "prompt", "documents", "turns", "answer", "raw_given", "steered_texts")
"""The fields of the settings that are the prompt."""
STEERED = ("steering",)
"""The fields that say what parts of it are read more or less."""
RUN_MODES = ("Chat", "Raw", "Given answer")
SKY = "Answer in one word: What color is the sky?"
ABOUT_TOP_P = "Sample only from the likeliest tokens whose probabilities add up to this."
MOST_NEW_TOKENS = 100_000
MOST_SEED = 2**53 - 1
"""The limits of every form: one that is narrower would silently change what a stored run was asked with. Numbers above
this seed cannot be held by a browser."""


@dataclass(frozen=True)
class RunSettings:
    """Prompt, model and settings of one run, as a person filled them in."""

    model: str = DEFAULT_MODEL
    mode: str = "Chat"
    """One of ``RUN_MODES``."""
    prompt: str = SKY
    system: str = "keep"
    """``keep`` the template's own message, ``replace`` it by ``system_text``, ``none``."""
    system_text: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    """Earlier turns: (role, text)."""
    documents: tuple[tuple[str, str], ...] = ()
    """Documents that stand before ``prompt``: (name, text)."""
    answer: str = ""
    author: str = ""
    raw_given: bool = False
    """The prompt of a given answer is raw text."""
    new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: str = ""
    """Stop texts, one a line."""
    thinking: bool = False
    part: str = ""
    """Part of the prompt that is read more or less: a named part, or words of it; "" for none."""
    factor: float = 1.0
    """The odds of reading ``part`` are multiplied by this."""
    steering: tuple[Steering, ...] = ()
    """What a stored run was steered by; ``part`` and ``factor``, where they are given, come first."""
    steered_texts: tuple[str, ...] = ()
    """[message] the texts that the places of ``steering`` lie in; ``draft`` finds them again where these changed."""

    @property
    def given(self) -> bool:
        """The answer is given and only scored."""
        return self.mode == "Given answer"

    @property
    def raw(self) -> bool:
        """The prompt is raw text, without a chat template."""
        return self.mode == "Raw" or (self.given and self.raw_given)

    @classmethod
    def of(cls, request: Request) -> RunSettings:
        """The settings that make this request again, marks of segments included."""
        texts = [m.content for m in request.messages] or [request.text or ""]
        marked = [
            segment_marks.write_marks(t, [s for s in request.segments if s.message == i]) for i, t in enumerate(texts)
        ]
        messages = [(m.role, t) for m, t in zip(request.messages, marked, strict=False)]
        system: str = request.system
        system_text = ""
        if messages and messages[0][0] == "system":
            system, system_text = "replace", messages.pop(0)[1]
        last = len(texts) - 1
        documents, asked = split_documents(texts[last], [s for s in request.segments if s.message == last])
        if request.messages and not messages:  # a system message alone
            documents, asked = (), marked[0]
        return cls(
            model=asked_name(request.model),
            mode="Given answer" if request.scored else "Raw" if not request.messages else "Chat",
            prompt=asked,
            documents=tuple((d.name, d.text) for d in documents),
            system=system,
            system_text=system_text,
            turns=tuple(messages[:-1]),
            answer=request.answer or "",
            author=request.author,
            raw_given=not request.messages,
            new_tokens=request.max_new_tokens,
            temperature=float(request.temperature),
            top_p=float(request.top_p),
            seed=request.seed,
            stop="\n".join(request.stop),
            thinking=request.thinking,
            steering=request.steering,
            steered_texts=tuple(marked) if request.steering else (),
        )

    def by_part(self) -> RunSettings:
        """Returns the settings with steering written as ``part`` and ``factor``, where these say all of it."""
        if len(self.steering) != 1 or self.part:
            return self
        (one,) = self.steering
        parsed = [segment_marks.parse_marks(text, i) for i, text in enumerate(self.steered_texts)]
        segments = [segment for _, found in parsed for segment in found]
        try:
            same = as_steering({one.name: one.factor}, [text for text, _ in parsed], segments) == (one,)
        except PromptError:
            return self
        return replace(self, part=one.name, factor=one.factor, steering=(), steered_texts=()) if same else self

    def continued(self, answer: str) -> RunSettings:
        """Returns the settings that ask for the next turn after this answer: an empty prompt, all else as it was."""
        asked = with_documents(self.prompt, [Document(name, text) for name, text in self.documents])
        turns = (*self.turns, ("user", asked), ("assistant", answer))
        return replace(self, mode="Chat", turns=turns, prompt="", documents=(), answer="", author="")

    def changes(self, request: Request) -> list[str]:
        """What is not as in ``request``: the prompt, the model, the steering, the settings.

        A prompt that cannot be run differs.
        """
        made, own = [], RunSettings.of(request)
        for one in (self, own):
            try:
                made.append(RunSettings.of(one.draft().request(request.model)))
            except HeedError:
                made.append(one)
        differ = [f.name for f in fields(RunSettings) if getattr(made[0], f.name) != getattr(made[1], f.name)]
        named = {
            "prompt": [n for n in differ if n in TEXTS],
            "steering": [n for n in differ if n in STEERED],
            "settings": [n for n in differ if n not in (*TEXTS, *STEERED)],
        }
        return [name for name, some in ({"model": self.model != own.model} | named).items() if some]

    def draft(self) -> Draft:
        """The settings as a draft for the job queue. Raises PromptError where a steered part is not found again."""
        settings: dict[str, Any] = {}
        if not self.given:
            settings = {"max_new_tokens": int(self.new_tokens), "temperature": float(self.temperature)}
            settings["stop"] = tuple(line for line in self.stop.splitlines() if line)
            if self.temperature > 0:
                settings |= {"top_p": float(self.top_p), "seed": int(self.seed)}
        elif self.author.strip():
            settings["author"] = self.author.strip()
        asked = with_documents(self.prompt, [Document(name, text) for name, text in self.documents])
        prompt: Any = asked
        if not self.raw:
            settings |= {"thinking": bool(self.thinking), "system": "none" if self.system == "none" else "keep"}
            prompt = [{"role": role, "content": text} for role, text in self.turns]
            if self.system == "replace" and self.system_text.strip():
                prompt.insert(0, {"role": "system", "content": self.system_text})
            prompt.append({"role": "user", "content": asked})
        if self.part.strip() and self.factor != 1:
            settings["steer"] = {self.part.strip(): float(self.factor)}
        elif self.steering:
            texts = [prompt] if self.raw else [message["content"] for message in prompt]
            settings["steer"] = moved_steering(self.steering, self.steered_texts, texts)
        ready = prompt if self.raw or asked.strip() else ""
        return Draft(self.model, ready, self.answer if self.given else None, self.raw, settings)


def draft_of(request: Request) -> Draft:
    """Returns a draft of the same prompt, settings and steering, for the libraries that are installed now.

    A given answer is left out.
    """
    texts = [m.content for m in request.messages] or [request.text or ""]
    marked = [
        segment_marks.write_marks(t, [s for s in request.segments if s.message == i]) for i, t in enumerate(texts)
    ]
    settings: dict[str, Any] = {} if request.scored else {name: getattr(request, name) for name in WRITING}
    if request.messages:
        settings |= {"system": request.system, "thinking": request.thinking}
        settings |= {"date": request.date} if request.date else {}
    settings |= {"steer": request.steering} if request.steering else {}
    prompt: Any = marked[0]
    if request.messages:
        prompt = [{"role": m.role, "content": t} for m, t in zip(request.messages, marked, strict=True)]
    return Draft(asked_name(request.model), prompt, None, request.text is not None, settings)
