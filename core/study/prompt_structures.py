"""``STRUCTURES``: prompt layouts as templates; lays out an item by one and records where each part stands.

A template is text with {instruction} {context} {examples} {question}; {prompt} is all of the item in reading order, for
structures that only wrap it. Paragraphs (between blank lines) whose placeholders are all empty are left out, so that
one template serves items with and without a context. A paragraph "system:" at the top begins the system message and
"user:" the user's. Doubled braces are literal braces. Where a part stands is recorded while it is put in, never
searched for afterwards. The position control is the same template with a filler in the instruction's place. To add a
structure: one line in STRUCTURES. Guarded by tests/core/test_study_prompt_structures.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import PromptError
from ..records import Instruction, Item, Message, MessageSpan, Segment
from .item_files import ITEM_PARTS, Example

PLACEHOLDERS = ("instruction", "context", "examples", "question", "prompt")
OWN_PREFIX = "custom:"
"""Prefix of the names of the user's own structures."""


@dataclass(frozen=True)
class Structure:
    """One prompt layout."""

    label: str
    about: str
    template: str
    shots: int = 0
    """Number of held-out examples that {examples} shows."""
    capitals: bool = False
    """Whether the instruction is written IN CAPITALS."""


_ORDER = "{instruction}\n\n{context}\n\n{question}"

STRUCTURES: dict[str, Structure] = {
    "instruction_first": Structure("Instruction first", "Instruction, context, question.", _ORDER),
    "instruction_last": Structure(
        "Instruction last", "Context, question, instruction.", "{context}\n\n{question}\n\n{instruction}"
    ),
    "instruction_both": Structure(
        "Instruction first and last", "The instruction twice, around the rest.", _ORDER + "\n\n{instruction}"
    ),
    "instruction_twice": Structure(
        "Instruction said twice",
        "The instruction twice, one after the other, then the rest.",
        "{instruction}\n\n" + _ORDER,
    ),
    "instruction_capitals": Structure(
        "INSTRUCTION IN CAPITALS", "Instruction first, written in capitals.", _ORDER, capitals=True
    ),
    "system_message": Structure(
        "System message",
        "The instruction as the system message, the rest as the user's.",
        "system:\n\n{instruction}\n\nuser:\n\n{context}\n\n{question}",
    ),
    "few_shot_1": Structure(
        "One example", "One solved example after the instruction.", _ORDER.replace("\n", "\n\n{examples}\n", 1), 1
    ),
    "few_shot_3": Structure(
        "Three examples", "Three solved examples after the instruction.", _ORDER.replace("\n", "\n\n{examples}\n", 1), 3
    ),
    "step_by_step": Structure(
        "Step by step", "As it is, then: let's think step by step.", "{prompt}\n\nLet's think step by step."
    ),
    "delimiters": Structure(
        "Delimiters",
        "Each part between tags of its name.",
        "<instruction>\n{instruction}\n</instruction>\n\n<context>\n{context}\n</context>\n\n"
        "<question>\n{question}\n</question>",
    ),
    "role_play": Structure(
        "Role play", "A role before the prompt.", "You are a careful expert who does this for a living.\n\n{prompt}"
    ),
    "plain": Structure("As it is", "The item's parts in reading order, nothing added.", "{prompt}"),
}


@dataclass(frozen=True)
class LaidOutItem:
    """The messages of an item in a structure, and where its parts stand in them."""

    messages: tuple[Message, ...]
    segments: tuple[Segment, ...]
    """instruction, context, question, example, and ``check N`` for each span of instruction N (from 1)."""
    instructions: tuple[Instruction, ...]
    """The item's instructions, with their spans in these messages."""


def get_structure(name: str, templates: Mapping[str, str] | None = None) -> Structure:
    """Returns the structure of that name, or the user's own (``custom:NAME``). Raises PromptError."""
    own = {OWN_PREFIX + n: t for n, t in (templates or {}).items()}
    if name in own:
        fields = check_template(own[name])
        return Structure(
            name.removeprefix(OWN_PREFIX), "Your own template.", own[name], 3 if "examples" in fields else 0
        )
    if name not in STRUCTURES:
        raise PromptError(f"There is no structure {name!r}: the structures are {', '.join([*STRUCTURES, *own])}.")
    return STRUCTURES[name]


def lay_out(
    item: Item,
    name: str,
    examples: Sequence[Example] = (),
    filler: str | None = None,
    templates: Mapping[str, str] | None = None,
) -> LaidOutItem:
    """Lays out ``item`` in the structure ``name``, with ``filler`` (if given) in the instruction's place.

    Raises PromptError with the reason of ``why_not_possible`` where the item cannot be laid out so.
    """
    form = get_structure(name, templates)
    why = why_not_possible(item, name, templates, examples)
    if why:
        raise PromptError(f"{form.label} does not fit the item {item.id}: {why}.")
    if form.capitals and "instruction" in item.segments:
        item = _in_capitals(item)
    writer = _Writer(_values(item, examples[: form.shots], filler))
    for role, paragraphs in _messages(form.template):
        writer.write(role, paragraphs)
    told = tuple(replace(i, spans=writer.spans(item, i)) for i in item.instructions)
    checks = [Segment(f"check {n}", *span) for n, i in enumerate(told, 1) for span in i.spans]
    return LaidOutItem(tuple(writer.messages), (*writer.segments, *checks), told)


def _in_capitals(item: Item) -> Item:
    """Returns the item with its instruction in capitals; letters that would become two stay, so that spans hold."""

    def raised(text: str) -> str:
        return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)

    told = item.segments["instruction"]
    instructions = tuple(replace(i, text=raised(i.text)) if i.text and i.text in told else i for i in item.instructions)
    return replace(item, segments={**item.segments, "instruction": raised(told)}, instructions=instructions)


def why_not_possible(
    item: Item, name: str, templates: Mapping[str, str] | None = None, examples: Sequence[Example] = ()
) -> str:
    """Returns why ``item`` cannot be laid out so, as half a sentence; "" where it can.

    Raises PromptError as ``get_structure``.
    """
    form = get_structure(name, templates)
    fields = set(_fields(form.template))
    if form.shots and name.startswith(OWN_PREFIX):
        if not examples:
            return f"it shows held-out examples, and there are none of {item.task}"
    elif form.shots > len(examples):
        several = "s" * (form.shots > 1)
        return f"it needs {form.shots} held-out example{several} of {item.task} and there are {len(examples)}"
    if "prompt" in fields:
        return ""
    if not item.segments:
        return "it needs the parts of the prompt, and the item has only a whole prompt"
    if "instruction" not in item.segments:
        return "the item has no instruction that could be moved"
    lost = [part for part in ITEM_PARTS if part in item.segments and part not in fields]
    if lost:
        return f"its template has no {{{lost[0]}}}, and the item has one"
    if len(item.segments) == 1:
        return "the item has nothing beside its instruction"
    return ""


def check_template(text: str) -> set[str]:
    """Returns the placeholders of a user's template. Raises PromptError for unknown, missing and lone braces."""
    fields = set(_fields(text))
    if "prompt" in fields and fields & set(ITEM_PARTS):
        raise PromptError("The template has {prompt} and parts of it: use {prompt} alone, or its parts.")
    if "prompt" not in fields and "instruction" not in fields:
        raise PromptError("The template has no {instruction}: put {instruction} where the instruction belongs.")
    if "prompt" not in fields and not fields & {"context", "question"}:
        raise PromptError("The template has neither {question} nor {context}: put in at least one of them.")
    if not any(role == "user" for role, _ in _messages(text)):
        raise PromptError("The template has no user message: write user: on a line of its own before it.")
    return fields


_BRACES = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")
_ROLE = re.compile(r"(system|user)[ \t]*:[ \t]*", re.IGNORECASE)


def _pieces(text: str) -> list[tuple[str, str]]:
    """Returns (literal text, the field after it or "") of a template. Raises PromptError."""
    found, literal, at = [], "", 0
    for m in _BRACES.finditer(text):
        literal, at = literal + text[at : m.start()], m.end()
        if m[0] in ("{{", "}}"):
            literal += m[0][0]
            continue
        if m[1] is None:
            around = text[max(0, m.start() - 15) : m.end() + 15].replace("\n", " ")
            raise PromptError(
                f"A lone {m[0]} stands in the template at {around!r}: write {m[0] * 2} for the brace itself."
            )
        field = m[1].strip().lower()
        if field not in PLACEHOLDERS:
            known = ", ".join(f"{{{f}}}" for f in PLACEHOLDERS)
            raise PromptError(
                f"The template has an unknown placeholder {m[0]}: the placeholders are {known}; "
                "for braces of your own write {{ and }}."
            )
        found.append((literal, field))
        literal = ""
    return [*found, (literal + text[at:], "")]


def _fields(text: str) -> list[str]:
    return [field for _, field in _pieces(text) if field]


def _messages(template: str) -> list[tuple[str, list[str]]]:
    """Returns [(role, paragraphs)] of a template."""
    messages: list[tuple[str, list[str]]] = [("user", [])]
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", template.replace("\r\n", "\n").strip()):
        head, _, rest = paragraph.partition("\n")
        if m := _ROLE.fullmatch(head):
            messages.append((m[1].lower(), []))
            paragraph = rest
        if paragraph.strip():
            messages[-1][1].append(paragraph)
    return [(role, paragraphs) for role, paragraphs in messages if paragraphs]


Part = tuple[str, str, bool]
"""(name of the part, its text, whether it is a Segment)"""


def _values(item: Item, examples: Sequence[Example], filler: str | None) -> dict[str, list[Part]]:
    """Returns {field: the parts that are put in there}."""
    parts = {name: (name, text.strip(), True) for name, text in item.segments.items() if text.strip()}
    if filler is not None:
        if "instruction" not in parts:
            raise PromptError(f"The item {item.id} has no instruction whose place a filler could take.")
        parts["instruction"] = ("instruction", filler, True)
    values = {name: [parts[name]] if name in parts else [] for name in ITEM_PARTS}
    whole = [parts[name] for name in ITEM_PARTS if name in parts]
    values["prompt"] = whole or [("prompt", item.prompt.strip(), False)]
    values["examples"] = [("example", _solved(example), True) for example in examples]
    return values


def _solved(example: Example) -> str:
    asked = [text.strip() for text in (example.context, example.question) if text.strip()]
    return "\n".join([*asked, f"Answer: {example.answer.strip()}"])


class _Writer:
    """Writes parts into paragraphs and records where each stands."""

    def __init__(self, values: Mapping[str, list[Part]]) -> None:
        self.values = values
        self.messages: list[Message] = []
        self.segments: list[Segment] = []
        self.placed: list[tuple[str, str, int, int]] = []
        """(part, its text, message, start)"""

    def write(self, role: str, paragraphs: Sequence[str]) -> None:
        """Adds one message; leaves out paragraphs whose placeholders are all empty, and a message without any."""
        text = ""
        for paragraph in paragraphs:
            pieces = _pieces(paragraph)
            fields = [field for _, field in pieces if field]
            if fields and not any(self.values[field] for field in fields):
                continue
            text += "\n\n" if text else ""
            for literal, field in pieces:
                text += literal
                for i, part in enumerate(self.values[field] if field else []):
                    text += "\n\n" if i else ""
                    self._place(part, len(text))
                    text += part[1]
        if text.strip():
            self.messages.append(Message(role, text))

    def _place(self, part: Part, start: int) -> None:
        name, text, named = part
        self.placed.append((name, text, len(self.messages), start))
        if named:
            self.segments.append(Segment(name, len(self.messages), start, start + len(text)))

    def spans(self, item: Item, told: Instruction) -> tuple[MessageSpan, ...]:
        """Returns every span that asks for one instruction; none in a part that a filler replaced."""
        found: list[MessageSpan] = []
        for part, a, b in local_spans(item, told):
            text = item.segments.get(part, item.prompt).strip()
            found += [(m, s + a, s + b) for name, put, m, s in self.placed if (name, put) == (part, text)]
        return tuple(sorted(found))


def local_spans(item: Item, told: Instruction) -> list[tuple[str, int, int]]:
    """Returns (part, start, end) of an instruction in its item's stripped parts: its own text, or found by rule."""
    parts = {name: text.strip() for name, text in item.segments.items()} or {"prompt": item.prompt.strip()}
    ordered = sorted(parts, key=lambda name: ("instruction", "question", "context", "prompt").index(name))
    if told.text:
        first = next((name for name in ordered if told.text in parts[name]), None)
        return [] if first is None else [(first, at := parts[first].index(told.text), at + len(told.text))]
    from .quality.instructions import find_spans

    return [(name, a, b) for name in ordered for a, b in find_spans(parts[name], told.id, told.kwargs)]
