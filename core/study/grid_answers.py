"""Reads the answers of a grid: verdicts, length, how likely each word was, and how far samples agree.

Everything is read from what the study stored. Words are cut by Unicode's rules; a word's probability is the product of
those of its tokens, as the model gave them (before any temperature). Guarded by tests/core/test_study_grid.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..records import AnswerGrid, AnswerVerdict, AnswerWord, Digest, GridAnswer, Item
from ..store.csv_tables import tidy_csv
from ..text.display_text import BROKEN
from ..text.word_boundaries import word_spans
from . import cell_store, database
from .column_labels import model_label
from .quality.instructions import INSTRUCTIONS
from .quality.reference_match import f1_score
from .study import Study

STATES = {"waiting": "waiting", "claimed": "running", "done": "done", "failed": "failed"}
MARKS = {1.0: "followed", 0.0: "not followed"}
GRID_COLUMNS = (
    *("prompt", "name", "system", "reference", "model", "sample", "answer", "correct", "instructions_followed"),
    *("tokens", "cut_off", "mean_logprob", "different_answers", "words_in_common", "error", "run"),
)


def read_grid(study: Study) -> AnswerGrid:
    """Returns all cells of a study of one structure, those that wait included."""
    db, plan, items = study.db, study.plan, study.items()
    runs = {row["cell"]: row for row in database.query_rows(db, "SELECT * FROM runs")}
    checks: dict[str, list[dict[str, Any]]] = {}
    for row in database.query_rows(db, "SELECT cell, id, strict, why FROM instructions ORDER BY cell, number"):
        checks.setdefault(row["cell"], []).append(row)
    found: dict[tuple[str, str], list[GridAnswer]] = {}
    for place in database.query_rows(db, "SELECT * FROM cells WHERE wanted AND NOT control ORDER BY seed"):
        cell, item = place["cell"], items[place["item"]]
        made = _answer(study.folder, place, runs.get(cell), checks.get(cell, ()), item)
        found.setdefault((item.id, place["model"]), []).append(made)
    agreement = {
        key: sample_agreement(tuple(one.answer for one in some if one.state == "done")) for key, some in found.items()
    }
    answers = {key: tuple(some) for key, some in found.items()}
    return AnswerGrid(tuple(items.values()), plan.models, tuple(map(model_label, plan.models)), answers, agreement)


def _answer(
    folder: Path,
    place: Mapping[str, Any],
    row: Mapping[str, Any] | None,
    checks: Sequence[Mapping[str, Any]],
    item: Item,
) -> GridAnswer:
    state: Any = STATES.get(place["state"], "waiting")
    if row is None or state in ("waiting", "running"):
        return GridAnswer(place["cell"], state, int(place["seed"]))
    words, tokens = (
        ((), 0) if row["error"] else _stored_words(folder / database.FILE, place["cell"], row["finished"] or 0.0)
    )
    return GridAnswer(
        place["cell"],
        state,
        int(place["seed"]),
        run=row["run"] or "",
        answer=row["answer"] or "",
        words=words,
        tokens=tokens,
        truncated=bool(row["truncated"]),
        verdicts=() if row["error"] else answer_verdicts(row, checks, item),
        error=row["error"] or "",
    )


@lru_cache(maxsize=4 * 1024)
def _stored_words(path: Path, cell: str, finished: float) -> tuple[tuple[AnswerWord, ...], int]:
    """Returns (words, number of tokens) of a stored answer; ``finished`` tells it from the one that it replaced."""
    db = database.connect(path)
    try:
        kept = dict(cell_store.read_digests(db, [cell]))[cell]
    finally:
        db.close()
    return ((), 0) if kept is None else (word_probabilities(kept), len(kept.answer_steps))


def word_probabilities(found: Digest) -> tuple[AnswerWord, ...]:
    """Returns the words of the answer with their probabilities; none where its tokens do not make up the answer.

    Tokens that are parts of characters have no text of their own: neighbours among them count together, in every word
    that they write.
    """
    texts = [found.texts[found.prompt_length + int(step)] for step in found.answer_steps]
    spans = token_places(texts, found.answer)
    logprobs = found.logprobs[found.answer_steps].astype(np.float64)
    if spans is None:
        return ()
    begins, ends = np.array(spans).reshape(-1, 2).T
    words, seen = [], 0
    for first, last in word_spans(found.answer):
        total = float(logprobs[(begins < last) & (ends > first)].sum())
        words.append(AnswerWord(found.answer[seen:first], found.answer[first:last], float(np.exp(min(total, 0.0)))))
        seen = last
    return tuple(words)


def token_places(texts: Sequence[str], answer: str) -> list[tuple[int, int]] | None:
    """Returns (start, end) in ``answer`` of each token's text without the spaces around it; None where they differ."""
    spans: list[tuple[int, int]] = []
    at = broken = 0
    for text in texts:
        if BROKEN in text:
            broken += 1
            continue
        own = text.strip() or (text if broken else "")
        place = answer.find(own, at)
        if place < 0 or (not broken and answer[at:place].strip()):
            return None
        spans += [(at, place)] * broken + [(place, place + len(own))]
        at, broken = place + len(own), 0
    end = max(at, len(answer.rstrip()))
    return spans + [(at, end)] * broken if broken or at == end else None


def answer_verdicts(
    row: Mapping[str, Any], checks: Sequence[Mapping[str, Any]], item: Item
) -> tuple[AnswerVerdict, ...]:
    """Returns what an answer was checked for: its row of ``runs``, its rows of ``instructions``, and the item."""
    why = json.loads(row["why"] or "{}")
    found = []
    if any(one.strip() for one in item.reference):
        value = row.get("correct")
        text = "undecided" if value is None else "correct" if value else "not correct"
        about = why.get("correct", "") if value is None else "Right: " + " or ".join(item.reference)
        found.append(AnswerVerdict("correct", None if value is None else bool(value), text, about))
    if checks:
        value = row.get("followed")
        kept = sum(one["strict"] == 1 for one in checks)
        text = f"{kept} of {len(checks)} instructions followed"
        if value is None or len(checks) == 1:
            text = "instructions undecided" if value is None else f"instruction {MARKS[value]}"
        about = "; ".join(f"{_check_label(one['id'])}: {MARKS.get(one['strict'], one['why'])}" for one in checks)
        found.append(AnswerVerdict("followed", None if value is None else bool(value), text, about))
    return tuple(found)


def _check_label(ident: str) -> str:
    return INSTRUCTIONS[ident].label if ident in INSTRUCTIONS else ident


@lru_cache(maxsize=2 * 1024)
def sample_agreement(answers: tuple[str, ...]) -> tuple[int, float]:
    """Returns (how many different texts, mean F1 of the words that two answers share over all pairs, 0 to 1).

    F1 as in SQuAD: case, punctuation and articles do not count. NaN for fewer than two answers.
    """
    pairs = [f1_score(a, b) for a, b in combinations(answers, 2)]
    return len({answer.strip() for answer in answers}), float(np.mean(pairs)) if pairs else float("nan")


def grid_csv(ident: str) -> str:
    """Returns the table as CSV, one line an answer, in the columns ``GRID_COLUMNS``; undefined is empty."""
    study = Study(ident)
    try:
        return _table_csv(study)
    finally:
        study.close()


def _table_csv(study: Study) -> str:
    grid = read_grid(study)
    logprob = dict(study.db.execute("SELECT cell, mean_logprob FROM runs").fetchall()) if _has(study) else {}
    lines: list[tuple[Any, ...]] = []
    for item in grid.items:
        for model in grid.models:
            different, shared = grid.agreement.get((item.id, model), (0, float("nan")))
            for one in grid.answers.get((item.id, model), ()):
                if one.state not in ("done", "failed"):
                    continue
                passed = {v.kind: float("nan") if v.passed is None else float(v.passed) for v in one.verdicts}
                system = item.segments.get("instruction", "")
                lines.append((
                    item.segments.get("question") if system else item.own_words, item.id, system,
                    " | ".join(item.reference), model, one.seed, one.answer,
                    passed.get("correct", float("nan")), passed.get("followed", float("nan")), one.tokens,
                    int(one.truncated), _number(logprob.get(one.cell)), different, shared, one.error, one.run,
                ))  # fmt: skip
    head = {"grid": study.id, "models": " · ".join(grid.labels), "temperature": study.plan.temperature}
    return tidy_csv(head | {"new tokens": study.plan.max_new_tokens}, GRID_COLUMNS, lines)


def _has(study: Study) -> bool:
    return any(row["name"] == "mean_logprob" for row in study.db.execute("PRAGMA table_info(runs)"))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
