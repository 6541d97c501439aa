"""Asks a local model a rubric about each answer of a study: a judge, whose scores are its probabilities.

The judge sees the item's own words, the answer and the rubric, neither structure nor model, as a person does on Rate.
Nothing is sampled: the score is read from the log-probabilities of the allowed scores behind the question, as their
expected value (the probability of yes; the mean of 1 to 5), so that the same answer always gets the same score. Where
less than LEAST_MASS of the probability lies on the allowed scores, the model wanted to say something else, and the
score is undefined. Position controls, whose prompts ask for nothing, are not judged. The expected value instead of the
likeliest score: Liu et al. 2023 (G-Eval, arXiv 2303.16634). Guarded by tests/core/test_study_judging.py.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import Cancelled, HeedError
from ..progress import IsCancelled, never_cancelled
from ..records import Item, Message, Request
from . import database
from .own_values import cells_lacking_metric, keep_metric_value
from .plan_store import own_metrics_of
from .quality.metric_value import MetricValue, defined_value, undefined_value
from .quality.own_metric import JUDGE, SCALES, YES_NO, OwnMetric
from .shards import shard_of

LEAST_MASS = 0.01
"""Smallest probability that the allowed scores must have together."""
_QUESTIONS = {
    "yes/no": "Does the answer fit this rubric? Reply with one word: Yes or No.",
    "1-5": "How well does the answer fit this rubric? Reply with one number from 1 (not at all) to 5 (fully).",
}
JUDGED_BY = "judged by: "
"""Notes that begin so name a judge's column and hold which model gave its scores, and when."""


@dataclass(frozen=True)
class AnswerToJudge:
    """What a judge sees of one answer, beside its rubric."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class JudgedAnswer:
    """The score of one answer; ``fingerprint``: of the model that gave it."""

    asked: AnswerToJudge
    value: MetricValue
    fingerprint: str


AskJudge = Callable[[OwnMetric, Sequence[AnswerToJudge], IsCancelled], Iterator[JudgedAnswer]]
"""Asks a judge about answers, and yields each score as it comes, in any order."""


def judge_text(judge: OwnMetric, prompt: str, answer: str) -> str:
    """Returns what the judge is asked about one answer."""
    return (
        "You grade an answer that somebody gave to a prompt.\n\n"
        f"Prompt:\n{prompt.strip()}\n\nAnswer:\n{answer.strip()}\n\nRubric:\n{judge.text.strip()}\n\n"
        f"{_QUESTIONS[judge.scale]}"
    )


def score_tokens(tokenizer: Any, scores: Sequence[str]) -> list[list[int]]:
    """Returns for each allowed score the tokens that alone spell it: with or without a space, in any case.

    Raises HeedError where the tokenizer has no token for one of them.
    """
    from ..text.detokenise import token_texts

    found = []
    for score in scores:
        forms = (score, score.lower(), score.upper())
        spellings = dict.fromkeys(f"{space}{form}" for space in ("", " ") for form in forms)
        ids = {i for text in spellings for i in tokenizer.encode(text, add_special_tokens=False)}
        alone = [i for i in sorted(ids) if token_texts(tokenizer, [i])[0].strip().lower() == score.lower()]
        if not alone:
            raise HeedError(f"This model has no token of its own for “{score}”: pick another judge or scale.")
        found.append(alone)
    return found


def expected_score(logs: np.ndarray, tokens: Sequence[Sequence[int]], scale: str) -> MetricValue:
    """Returns the expected score from float [V] log-probabilities; ``tokens``: those of each score, the worst first."""
    each = np.array([np.exp(logs[list(ids)].astype(np.float64)).sum() for ids in tokens])
    if not each.sum() >= LEAST_MASS:
        return undefined_value("the judge wanted to answer with something else than a score")
    values = np.arange(len(each)) + (0 if scale == YES_NO else 1)
    return defined_value(float((values * each).sum() / each.sum()))


def judge_request(model: Any, text: str) -> Request:
    """Returns the request for what a judge is asked; unlike in a prompt of the user, no marks are read in ``text``."""
    from ..capture import make_request

    return replace(make_request(model.key, "-"), messages=(Message("user", text),))


def count_unjudged(db: sqlite3.Connection) -> int:
    """Returns how many answers of finished runs wait for a judge of the plan."""
    return sum(len(_lacking(db, judge)) for judge in _judges(db))


def judging_text(db: sqlite3.Connection) -> str:
    """Returns how many answers wait for a judge, to stand behind a line of progress; empty where none does."""
    left = count_unjudged(db)
    return f" · {left:,} {'answer' if left == 1 else 'answers'} left to judge" if left else ""


def ask_judges(
    db: sqlite3.Connection,
    items: Mapping[str, Item],
    ask: AskJudge,
    done: Callable[[], None],
    cancelled: IsCancelled,
) -> None:
    """Asks every judge of the plan about the finished answers that it has not judged; each score is stored at once.

    ``ask``: in which process that is done; ``done()`` is called after each run. The same answer to the same words is
    asked about once. Raises HeedError where a model cannot be loaded or has no token for a score, once the other judges
    have been asked; Cancelled.
    """
    problem: HeedError | None = None
    for judge in _judges(db):
        lacking = _lacking(db, judge)
        if not lacking or cancelled():
            continue
        cells: dict[AnswerToJudge, list[str]] = {}
        for place in lacking:
            asked = AnswerToJudge(items[place["item"]].own_words, place["answer"].strip())
            cells.setdefault(asked, []).append(place["cell"])
        fingerprint = ""
        try:
            for judged in ask(judge, list(cells), cancelled):
                fingerprint = judged.fingerprint
                for cell in cells[judged.asked]:
                    keep_metric_value(db, cell, judge.column, judged.value)
                    done()
        except Cancelled:
            raise
        except HeedError as error:
            problem = problem or error
            continue
        who = {"model": judge.model, "fingerprint": fingerprint, "at": time.time()}
        database.put_note(db, JUDGED_BY + judge.column, json.dumps(who))
    if problem is not None:
        raise problem


def local_judge(load: Callable[[str], Any]) -> AskJudge:
    """Returns what asks a judge in this process; ``load``: from the name of a model to it, loaded."""

    def ask(judge: OwnMetric, asked: Sequence[AnswerToJudge], cancelled: IsCancelled) -> Iterator[JudgedAnswer]:
        return judge_answers(load(judge.model), judge, asked, cancelled)

    return ask


def judge_answers(
    model: Any, judge: OwnMetric, asked: Sequence[AnswerToJudge], cancelled: IsCancelled = never_cancelled
) -> Iterator[JudgedAnswer]:
    """Yields the score of each answer, as ``model`` gives it; undefined, with the reason, where it gives none.

    Raises HeedError where the model has no token for a score, Cancelled.
    """
    tokens = score_tokens(model.tokenizer, SCALES[judge.scale])
    for one in asked:
        if cancelled():
            raise Cancelled("Stopped.")
        yield JudgedAnswer(one, _judged(model, judge, tokens, one, cancelled), model.key.fingerprint)


def _judges(db: sqlite3.Connection) -> list[OwnMetric]:
    """Returns the judges of the plan; none in a shard, whose answers are judged when they have been merged."""
    found = [metric for metric in own_metrics_of(db) if metric.kind == JUDGE]
    return [] if found and shard_of(db) is not None else found


def _lacking(db: sqlite3.Connection, judge: OwnMetric) -> list[dict[str, Any]]:
    found = cells_lacking_metric(db, judge.column, controls=False)
    return [place for place in found if (place["answer"] or "").strip()]


def _judged(
    model: Any, judge: OwnMetric, tokens: Sequence[Sequence[int]], asked: AnswerToJudge, cancelled: IsCancelled
) -> MetricValue:
    from ..probe.next_token import next_token_logs

    try:
        request = judge_request(model, judge_text(judge, asked.prompt, asked.answer))
        logs = next_token_logs(model, request, cancelled).numpy()
    except Cancelled:
        raise
    except HeedError as error:
        return undefined_value(str(error))
    return expected_score(logs, tokens, judge.scale)
