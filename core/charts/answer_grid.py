"""Turns an AnswerGrid into the JSON behind the table of answers, drawn by answer_grid.js.

A word is shaded by how unlikely it was to the model that wrote it: shade = -log10(probability) / 2, cut at 1, so 10 %
is half and 1 % or less is full. The scale is fixed, so that all cells compare. Summaries of a column count what was
decided. Guarded by tests/core/test_charts_answer_grid.py and tests/browser/test_grid.py.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..records import AnswerGrid, AnswerWord, GridAnswer, Item
from .text_labels import plain_text

GRID_ASSETS = Path(__file__).parent
KINDS = {"correct": "Correct", "followed": "Instructions followed"}
NO_VERDICT = "The prompt has no right answer beside it, and asks for nothing that can be verified."
CUT_OFF = "cut off by the token limit"
SHADING = "Shaded: words that were unlikely to the model that wrote them"
FULL_SHADE = 0.01
"""The probability from which on a word is shaded fully."""


def answer_grid_source() -> tuple[str, str]:
    """(JavaScript, CSS) of the table of answers."""
    return (GRID_ASSETS / "answer_grid.js").read_text("utf-8"), (GRID_ASSETS / "answer_grid.css").read_text("utf-8")


def answer_grid_data(grid: AnswerGrid) -> dict[str, Any]:
    """JSON-able data for answer_grid.js; ``version`` in it changes with what is drawn."""
    columns = [[one for item in grid.items for one in grid.answers.get((item.id, model), ())] for model in grid.models]
    data: dict[str, Any] = {
        "models": [
            {"name": plain_text(label), "lines": _summary(some)}
            for label, some in zip(grid.labels, columns, strict=True)
        ],
        "rows": [_row(grid, item) for item in grid.items],
        "shading": SHADING,
        "none": NO_VERDICT,
        "cut": CUT_OFF,
    }
    data["version"] = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    return data


def shade_of(probability: float) -> float:
    """The shade of a word, 0 to 1."""
    return min(1.0, math.log(max(probability, FULL_SHADE)) / math.log(FULL_SHADE))


def _row(grid: AnswerGrid, item: Item) -> dict[str, Any]:
    system = item.segments.get("instruction", "") if item.segments else ""
    prompt = item.segments.get("question", "") if item.segments else item.prompt
    beside = [f"System: {system}"] if system else []
    beside += [f"Right answer: {' or '.join(item.reference)}"] if item.reference else []
    return {
        "prompt": plain_text(prompt.strip()),
        "name": "" if item.id.startswith("item-") else plain_text(item.id),
        "beside": list(map(plain_text, beside)),
        "cells": [_cell(grid, (item.id, model)) for model in grid.models],
    }


def _cell(grid: AnswerGrid, place: tuple[str, str]) -> dict[str, Any]:
    answers = grid.answers.get(place, ())
    done = [one for one in answers if one.state == "done"]
    line = ""
    if len(done) > 1:
        different, shared = grid.agreement[place]
        same = f"{different} different answers, {100 * shared:.0f} % of words in common"
        line = " · ".join([*_tally(done), "all answers the same" if different == 1 else same])
    return {"answers": list(map(_answer, answers)), "line": line}


def _answer(one: GridAnswer) -> dict[str, Any]:
    return {
        "cell": one.cell,
        "sample": one.seed + 1,
        "state": one.state,
        "words": _words(one.words) or [["", plain_text(one.answer), 0, ""]],
        "verdicts": [[v.text, v.passed, plain_text(v.about)] for v in one.verdicts],
        "tokens": one.tokens,
        "cut": one.truncated,
        "error": plain_text(one.error),
    }


@lru_cache(maxsize=4 * 1024)
def _words(words: tuple[AnswerWord, ...]) -> list[list[Any]]:
    """[space before, word, shade, percent] of each word; cached, as a running grid is drawn every second."""
    return [
        [plain_text(w.gap), plain_text(w.text), round(shade_of(w.probability), 2), _percent(w.probability)]
        for w in words
    ]


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %" if probability >= 0.01 else "below 1 %"


def _tally(done: Sequence[GridAnswer]) -> list[str]:
    """For each kind of verdict, how many answers passed, out of how many, and how many are undecided."""
    lines = []
    for kind, words in KINDS.items():
        seen = [v.passed for one in done for v in one.verdicts if v.kind == kind]
        open_ = f", {seen.count(None)} undecided" if None in seen else ""
        lines += [f"{words}: {seen.count(True)} of {len(seen)}{open_}"] if seen else []
    return lines


def _summary(answers: Sequence[GridAnswer]) -> list[str]:
    """What the head of a column says of all its answers that are done."""
    done = [one for one in answers if one.state == "done"]
    lines = _tally(done)
    if done:
        cut = sum(one.truncated for one in done)
        lines.append(
            f"{sum(one.tokens for one in done) / len(done):.0f} tokens on average" + (f", {cut} cut off" if cut else "")
        )
    failed = sum(one.state == "failed" for one in answers)
    return lines + ([f"{failed} failed"] if failed else [])
