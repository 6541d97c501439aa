"""What a run of a study was asked, what a right answer is, and why the answer failed: for reading runs one by one.

The prompt and the references come from the study or its plan; a table that came without a plan has only its own
columns. Guarded by tests/core/test_findings_run_details.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import HeedError
from ...records import Item, Message
from ..plan_cells import lay_out_item
from ..quality.instructions import INSTRUCTIONS
from ..quality.metric_value import NO_REFERENCE
from .source import OpenedStudy

if TYPE_CHECKING:
    import pandas as pd

NO_PROMPT = "The prompt is not in this table: a table from a file has answers and numbers only."
CONTROL = "The prompt of a position control is kept with its study, which is not on this machine."
VERDICTS = {1.0: "followed", 0.0: "not followed"}


@dataclass(frozen=True)
class RunDetails:
    """One run in words."""

    prompt: str
    """The messages as they were sent, each after its role; where unknown, a sentence that says so."""
    reference: tuple[str, ...]
    """Answers that count as right."""
    rules: tuple[tuple[str, str], ...]
    """(the rule, verdict on it) of each instruction that can be verified."""
    reasons: tuple[str, ...]
    """Sentences: which outcomes failed or are undefined, and why."""


def run_details(opened: OpenedStudy, run: Mapping[str, Any]) -> RunDetails:
    """Returns the details of ``run``, a row of the runs table."""
    item, messages, problem = _asked(opened, run)
    prompt = "\n\n".join(f"{m.role}: {m.content}" if len(messages) > 1 else m.content for m in messages) or problem
    reference = item.reference if item is not None else ()
    rules = _rules(opened.instructions, run, messages)
    return RunDetails(prompt, tuple(reference), rules, (*_failed(run, reference, rules), *_undefined(run)))


def _asked(opened: OpenedStudy, run: Mapping[str, Any]) -> tuple[Item | None, tuple[Message, ...], str]:
    """(item, messages, "") of a run; else (None, (), why they are not known)."""
    from ..study import Study

    ident = str(run["prompt_id"])
    with suppress(HeedError):
        if opened.study:
            with closing(Study(opened.study)) as study:
                return study.items().get(ident), study.request(str(run["cell"])).messages, ""
        item = None if opened.plan is None else next((i for i in opened.plan.all_items() if i.id == ident), None)
        if item is not None and opened.plan is not None:
            if run.get("control"):
                return item, (), CONTROL
            return item, lay_out_item(opened.plan, item, str(run["structure"])).messages, ""
    return None, (), NO_PROMPT


def _rules(table: pd.DataFrame | None, run: Mapping[str, Any], messages: tuple[Message, ...]) -> tuple[Any, ...]:
    if table is None or "cell" not in table:
        return ()
    found = []
    for row in table[table["cell"].astype(str) == str(run["cell"])].to_dict("records"):
        check = INSTRUCTIONS.get(str(row["id"]))
        label = str(row["id"]) if check is None else check.label
        words = _words(row, messages)
        strict = float(row["strict"])
        verdict = VERDICTS.get(strict) or f"undecided: {row.get('why') or 'no verdict'}"
        if strict == 0 and row.get("loose") == 1:
            verdict += " as it stands; followed without its first or last line or its asterisks"
        found.append((f"{label}: “{words}”" if words else label, verdict))
    return tuple(found)


def _words(row: Mapping[str, Any], messages: tuple[Message, ...]) -> str:
    """The words with which the prompt asks for an instruction; "" where they are not known."""
    places = [row.get(name, float("nan")) for name in ("message", "start", "end")]
    if any(place != place or place is None for place in places):
        return ""
    message, start, end = map(int, places)
    return messages[message].content[start:end] if message < len(messages) else ""


def _failed(run: Mapping[str, Any], reference: tuple[str, ...], rules: tuple[Any, ...]) -> list[str]:
    """Why the two verdicts that are shown first are no."""
    reasons = []
    if run.get("correct") == 0:
        known = " or ".join(f"“{text}”" for text in reference[:3])
        reasons.append(
            f"Not correct: {known or 'the reference'} does not stand in the answer."
            if len(reference) < 2
            else f"Not correct: none of {len(reference)} references stands in the answer, first {known}."
        )
    if run.get("followed") == 0 and not rules:
        reasons.append("Not all instructions followed; which ones is not in this table.")
    return reasons


def _undefined(run: Mapping[str, Any]) -> list[str]:
    """Why it is not known whether the answer is correct, where it could be; rules say it for themselves."""
    with suppress(ValueError, TypeError):
        why = str(json.loads(str(run.get("why") or "{}")).get("correct") or NO_REFERENCE)
        return [] if why == NO_REFERENCE else [f"Correct or not is undefined: {why.rstrip('.')}."]
    return []
