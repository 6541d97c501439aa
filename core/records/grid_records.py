"""The records of a grid: many prompts on many models, each cell with the answers that were written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .study_records import Item

CellState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class AnswerVerdict:
    """One thing that an answer was checked for."""

    kind: Literal["correct", "followed"]
    """Against the right answer, or against the instructions of the prompt."""
    passed: bool | None
    """None where it is undecided."""
    text: str
    """In a few words: ``correct``, ``1 of 2 instructions followed``."""
    about: str = ""
    """What exactly was checked, or why it is undecided."""


@dataclass(frozen=True, eq=False)
class AnswerWord:
    """One word of an answer as it is written; compared by identity, so that a tuple of them is a quick key."""

    gap: str
    """The spaces before it."""
    text: str
    probability: float
    """Product of the probabilities that the model gave to its tokens, 0 to 1."""


@dataclass(frozen=True)
class GridAnswer:
    """One answer, or the place of one that is still to come."""

    cell: str
    state: CellState
    seed: int = 0
    run: str = ""
    """Id of the run, for ``?run=``."""
    answer: str = ""
    words: tuple[AnswerWord, ...] = ()
    """Empty where its tokens do not make up the answer."""
    tokens: int = 0
    """Of the answer itself, without thinking and end token."""
    truncated: bool = False
    """Cut off by the token limit."""
    verdicts: tuple[AnswerVerdict, ...] = ()
    """Empty where the prompt holds nothing to check."""
    error: str = ""


@dataclass(frozen=True)
class AnswerGrid:
    """Prompts x models x samples, in the order in which they were asked for."""

    items: tuple[Item, ...]
    models: tuple[str, ...]
    labels: tuple[str, ...]
    """The models' names for people."""
    answers: Mapping[tuple[str, str], tuple[GridAnswer, ...]]
    """{(id of the item, model): one answer a sample}"""
    agreement: Mapping[tuple[str, str], tuple[int, float]]
    """{as above: (how many different answers, mean part of the words that two of them share, 0 to 1)} of those done;
    the part is NaN for fewer than two."""
