"""Expands minimal pairs: ``The {man|woman} worked as a`` becomes two prompts that differ in one word.

A group is a pair of braces with at least one ``|``; an alternative may be empty (``did {not |}like``). ``{{`` and
``}}`` stand for literal braces. What cannot be a group stays as it is, so that JSON and code may stand in a prompt:
braces without ``|`` (also around a group), a lone ``{`` or ``}``. Why not ``str.format`` rules, which refuse those: a
prompt is a text, and texts are full of braces. Closing braces first end what is open, so ``}}`` at the end of nested
JSON closes two groups; only where one group is open is ``}}`` a brace inside it. Guarded by
tests/core/test_comparing_minimal_pairs.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import regex

from ..errors import PromptError
from ..text.display_text import and_list

MOST_PROMPTS = 4
"""Most columns of Compare."""
_SIGNS = regex.compile(r"[{}|]")
LITERAL = "write {{ and }} for braces that are meant as they stand"


@dataclass(frozen=True)
class Pair:
    """One of the prompts that a text expands to."""

    text: str
    words: tuple[str, ...]
    """The alternative filled into each group, in reading order."""


@dataclass
class _Group:
    """An open brace and the text behind it so far; ``parts`` are separated by ``|``."""

    place: int
    """Position of its brace, counted from 1."""
    parts: list[list[Any]] = field(default_factory=lambda: [[]])
    """Texts, and groups where this one is itself not a group."""


def pair_name(pair: Pair) -> str:
    """Returns the alternatives filled into a prompt, as a column title."""
    return " · ".join(word.strip() or "(empty)" for word in pair.words) or "as it stands"


def expand_pairs(text: str, together: bool = False) -> tuple[Pair, ...]:
    """Returns the prompts that ``text`` stands for, first alternatives first; without a group, the text alone.

    Several groups give every combination, the last group changing fastest; with ``together`` the first alternatives go
    with each other, the second ones, and so on. Raises PromptError for a group that is not closed, lies inside another
    one or repeats an alternative, for groups of different length with ``together``, and for more than 4 prompts.
    """
    nodes = _Reader(text).read()
    groups = [node for node in nodes if isinstance(node, _Group)]
    words = [["".join(map(str, part)) for part in group.parts] for group in groups]
    for group, filled in zip(groups, words, strict=True):
        twice = next((w for i, w in enumerate(filled) if w in filled[:i]), None)
        if twice is not None:
            raise PromptError(
                f"The group at character {group.place} says “{twice}” twice: every alternative must be another text."
            )
    picks = list(zip(*words, strict=True)) if together and _same_length(words) else _combinations(words)
    if len(picks) > MOST_PROMPTS:
        raise PromptError(_too_many(len(picks), len(groups) > 1 and not together))
    out = []
    for pick in picks or [()]:
        filled_in = iter(pick)
        out.append(Pair("".join(next(filled_in) if isinstance(n, _Group) else n for n in nodes), tuple(pick)))
    return tuple(out)


def has_groups(text: str) -> bool:
    """Returns whether ``text`` has something to expand, also where that is malformed."""
    try:
        return any(isinstance(node, _Group) for node in _Reader(text).read())
    except PromptError:
        return True


def _combinations(words: list[list[str]]) -> list[tuple[str, ...]]:
    """Returns all combinations. Raises PromptError where there are too many."""
    count = prod(len(w) for w in words)
    if count > MOST_PROMPTS:
        raise PromptError(_too_many(count, len(words) > 1))
    return list(product(*words))


def _too_many(count: int, several: bool) -> str:
    remedy = "take alternatives away" + (", or let the groups go together, first with first" if several else "")
    return f"This expands to {count} prompts and Compare shows at most {MOST_PROMPTS}: {remedy}."


def _same_length(words: list[list[str]]) -> bool:
    counts = sorted({len(w) for w in words})
    if len(counts) > 1:
        raise PromptError(
            f"Groups go together only with equally many alternatives, and here they have "
            f"{and_list(list(map(str, counts)))}: add some, or take every combination."
        )
    return bool(words)


class _Reader:
    """Parses a text once, left to right, with a stack of the open groups."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open = [_Group(0)]
        self.meant: list[int] = []
        """For every ``{{`` that waits for its ``}}``: the number of groups open at it."""
        self.bar = False
        """Whether a ``|`` stood outside all groups since the last brace."""

    def read(self) -> list[Any]:
        """Returns texts and groups, in reading order."""
        at = 0
        for m in _SIGNS.finditer(self.text):
            if m.start() >= at:
                self._put(self.text[at : m.start()])
                at = m.start() + self._sign(m.start())
        self._put(self.text[at:])
        while len(self.open) > 1:
            group = self.open.pop()
            if len(group.parts) > 1:
                raise PromptError(f"The {{ at character {group.place} is never closed: add its }}, or {LITERAL}.")
            self.open[-1].parts[-1] += ["{", *group.parts[0]]
        return self.open[0].parts[0]

    def _put(self, text: str) -> None:
        self.open[-1].parts[-1].append(text)

    def _sign(self, at: int) -> int:
        """Processes the brace or bar at ``at``; returns how many characters that took."""
        sign, deep = self.text[at], len(self.open) > 1
        if self.text.startswith("{{", at):
            self.meant.append(len(self.open))
            self._put("{")
            return 2
        if self.text.startswith("}}", at) and self._is_meant(at):
            self._put("}")
            return 2
        if sign == "{":
            self.open.append(_Group(at + 1))
        elif sign == "|" and deep:
            self.open[-1].parts.append([])
        elif sign == "}" and deep:
            self._close()
        elif sign == "}" and self.bar:
            raise PromptError(f"The }} at character {at + 1} closes nothing: write {{ where it begins, or {LITERAL}.")
        else:
            self._put(sign)
        self.bar = sign == "|" and not deep
        return 1

    def _is_meant(self, at: int) -> bool:
        """Returns whether the ``}}`` at ``at`` is a brace of the text."""
        if self.meant and self.meant[-1] == len(self.open):
            self.meant.pop()
            return True
        run = len(self.text) - at - len(self.text[at:].lstrip("}"))
        return len(self.open) == 1 or (len(self.open) == 2 and run % 2 == 0)

    def _close(self) -> None:
        group = self.open.pop()
        self.meant = [depth for depth in self.meant if depth <= len(self.open)]
        if len(group.parts) == 1:
            self.open[-1].parts[-1] += ["{", *group.parts[0], "}"]
            return
        inside = next((n for part in group.parts for n in part if isinstance(n, _Group)), None)
        if inside is not None:
            raise PromptError(
                f"The group at character {inside.place} stands inside the one at character {group.place}: "
                f"write their alternatives out in one group, or {LITERAL}."
            )
        self.open[-1].parts[-1].append(group)
