"""Renders messages with a tokenizer's chat template and sets its variables for thinking, date and who speaks next.

The template is only ever rendered by ``apply_chat_template`` (its own sandbox, its own rules), never imitated. Which
variables can be set is found by parsing it: those that it reads and does not set. The date is set by putting a macro
``strftime_now`` in front of the template, since transformers turns functions passed as variables into strings. To
support another switch: one line in ``SWITCHES``. Guarded by tests/core/test_text_chat_template.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import regex

from ..errors import PromptError
from ..records import Message, Request
from .timed_call import call_within

SWITCHES: dict[str, tuple[Any, Any]] = {
    "enable_thinking": (False, True),
    "thinking": (False, True),
    "enable_reasoning": (False, True),
    "thinking_budget": (0, None),
    "reasoning_effort": ("low", None),
}
"""Template variable -> its value for thinking off and on; None leaves the template's default."""

_DATE_VARIABLES = {"date_string": "%d %b %Y", "current_date": "%Y-%m-%d"}
_CLOCK = "{%- macro strftime_now(format) -%}{{ heed_dates[format] }}{%- endmacro -%}"
TRACKING_TAG = regex.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""The tag with which transformers marks what a model is trained on; plain Jinja does not know it."""

LONGEST_PARSED = 500_000
"""Characters of a template that are looked at at most; the longest published ones have some 30,000."""
RENDER_SECONDS = 20.0
"""Seconds that rendering may take."""
LONGEST_RENDERED_TEXT = 2_000_000
"""Characters that a template may add to the texts of the messages."""


@dataclass(frozen=True)
class TemplateFacts:
    """The variables that a template reads from outside, and every text constant in it."""

    variables: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()

    @property
    def dated(self) -> bool:
        """Whether it prints the date of the day."""
        return bool(self.variables & {"strftime_now", *_DATE_VARIABLES})

    @property
    def switches(self) -> tuple[str, ...]:
        """The switches for thinking that it reads."""
        return tuple(name for name in SWITCHES if name in self.variables)


@lru_cache(maxsize=32)
def inspect_template(template: str) -> TemplateFacts:
    """Returns the facts of ``template`` from parsing it; none for a huge one, or one that Jinja cannot parse."""
    if len(template) > LONGEST_PARSED:
        return TemplateFacts()
    from jinja2 import Environment, TemplateError, meta, nodes

    environment = Environment(extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(TRACKING_TAG.sub("", template))
    except (TemplateError, RecursionError):
        return TemplateFacts()
    constants = {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    return TemplateFacts(frozenset(meta.find_undeclared_variables(tree)), frozenset(constants))


def template_text(tokenizer: Any) -> str | None:
    """Returns the tokenizer's own (default) chat template, or None."""
    found = getattr(tokenizer, "chat_template", None)
    if isinstance(found, dict):
        found = found.get("default")
    return found or None


@dataclass(frozen=True)
class Chat:
    """Renders messages with the settings of one request: ``Chat.of(tokenizer, request)``."""

    tokenizer: Any
    template: str
    known: TemplateFacts
    variables: dict[str, Any] = field(default_factory=dict)
    continues: bool = False
    """The last message is the assistant's and the model continues it."""
    prefix: str = ""
    dates: tuple[str, ...] = ()
    """Ways in which the template may print the request's date."""

    @classmethod
    def of(cls, tokenizer: Any, request: Request) -> Chat:
        """Returns how this tokenizer renders ``request``. Raises PromptError where it has no chat template."""
        text = template_text(tokenizer)
        if text is None:
            raise PromptError("This model has no chat template: write the prompt as raw text.")
        known = inspect_template(text)
        variables = _switched(known, request.thinking)
        dates = _dates(known, request.date) if request.date else {}
        if dates:
            variables |= {name: dates[form] for name, form in _date_variables(known, dates).items()}
        clock = bool(dates) and "strftime_now" in known.variables
        if clock:
            variables["heed_dates"] = dates
        continues = bool(request.messages) and request.messages[-1].role == "assistant"
        return cls(tokenizer, text, known, variables, continues, _CLOCK if clock else "", tuple(dates.values()))

    def render(self, messages: Sequence[Message], *, closed: bool = False) -> str:
        """Returns the messages as the model reads them, up to where it continues; ``closed``: up to their own end.

        Raises PromptError where the template refuses them.
        """
        open_ended = self.continues and not closed
        try:
            apply = partial(
                self.tokenizer.apply_chat_template,
                [{"role": m.role, "content": m.content} for m in messages],
                chat_template=self.prefix + self.template,
                tokenize=False,
                add_generation_prompt=not closed and not open_ended,
                continue_final_message=open_ended,
                **self.variables,
            )
            text: str = call_within(RENDER_SECONDS, apply)
        except Exception as error:  # a template is a program of the model's maker and may raise anything
            raise PromptError(_refusal(messages, error, open_ended)) from error
        if len(text) > LONGEST_RENDERED_TEXT + 4 * sum(len(m.content) for m in messages):
            raise PromptError(
                f"This model's chat template makes {len(text):,} characters of these messages: write the prompt as "
                "raw text, or pick another model."
            )
        return text


def _refusal(messages: Sequence[Message], error: Exception, open_ended: bool) -> str:
    said = " ".join(str(error).split())[:200].rstrip(".")
    if open_ended:
        return f"This model's chat template cannot go on with an assistant message ({said}): end with a user message."
    roles = ", ".join(m.role for m in messages)
    return (
        f"This model's chat template refuses the messages {roles} ({said}): change their roles or order, "
        "for example put the system text into the user message."
    )


def _switched(known: TemplateFacts, thinking: bool) -> dict[str, Any]:
    chosen = {}
    for name in known.switches:
        value = SWITCHES[name][thinking]
        if name == "reasoning_effort" and "none" in known.constants:
            value = "high" if thinking else "none"
        if value is not None:
            chosen[name] = value
    return chosen


def _dates(known: TemplateFacts, date: str) -> dict[str, str]:
    """Returns {format: text} of ``date`` (ISO) for every format in which the template may print it."""
    try:
        day = datetime.fromisoformat(date)
    except ValueError as error:
        raise PromptError(f"The date {date!r} is not an ISO date: write it as 2026-11-21.") from error
    used = {text for text in known.constants if "%" in text} if "strftime_now" in known.variables else set()
    return {form: day.strftime(form) for form in sorted({*used, *_date_variables(known, used).values()})}


def _date_variables(known: TemplateFacts, used: Collection[str]) -> dict[str, str]:
    """Returns {variable: format} of the date variables that the template reads; a single format of its own wins."""
    own = next(iter(used)) if len(used) == 1 else None
    return {n: own or form for n, form in _DATE_VARIABLES.items() if n in known.variables}
