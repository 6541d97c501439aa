"""From columns to runs: which are there, which are missing, one job for all that are, and what could not be done.

A column shows a run of its own at once (the one it was opened with), or any stored run that answers what it asks;
what it shows stays, marked as changed, until the next one is there. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.jobs.run_jobs import Outcome, run_all_work
from core.models.model_key import known_ref, resolve
from core.records import Request, Trace
from core.runs import draft_request
from pages.parts import job_progress
from pages.parts.compare.column_state import SHARED, Column, apply_system_rule, update_column
from pages.parts.run_cache import open_trace
from pages.parts.run_settings import RunSettings

COLUMNS_SLOT = "compare_job"


@dataclass(frozen=True)
class ColumnRun:
    """A column and what there is of it now."""

    column: Column
    letter: str
    asked: RunSettings
    """System message settled; with the answer of another column where that is scored."""
    trace: Trace | None = None
    missing: bool = False
    """What it asks was not run yet."""
    problem: str = ""
    """Why it cannot be run, or not be compared, in one sentence."""
    able: bool = True
    """False where what it asks is no request at all, e.g. an empty prompt: there is nothing to run."""

    @property
    def name(self) -> str:
        """E.g. ``A · SmolLM2 135M Instruct``."""
        if self.column.title:
            return f"{self.letter} · {self.column.title}"
        return self.letter if self.trace is None else f"{self.letter} · {self.trace.model.label}"


def model_shape(column: Column, trace: Trace | None) -> tuple[tuple[int, ...], int]:
    """(layers with attention, heads) of the column's model, as far as that is known."""
    if trace is not None and trace.model.key.name == column.filled.model:
        return trace.model.attention_layers, trace.model.heads
    try:
        ref = known_ref(resolve(column.filled.model))
    except HeedError:
        ref = None
    return (ref.attention_layers, ref.heads) if ref is not None else ((), 0)


def find_run(column: Column, letter: str, policy: str, text: str) -> ColumnRun:
    """The column with its run: its own, or a stored one of the same request."""
    asked = apply_system_rule(column.filled, policy, text)
    seen = ColumnRun(column, letter, asked)
    if column.run and column.asked == asked:
        return _opened(seen, column.run, column.request)
    run, request, problem = _stored(asked)
    seen = replace(seen, able=request is not None or not problem)
    if run:
        column = replace(column, run=run, asked=asked, request=request)
        update_column(column)
        return _opened(replace(seen, column=column), run, request)
    problem = problem or _failed(asked, policy)
    if not column.run:
        return replace(seen, missing=True, problem=problem)
    return replace(_opened(seen, column.run, column.request), missing=True, problem=problem)


def same_answer_runs(seen: Sequence[ColumnRun], base: int) -> list[ColumnRun]:
    """The columns with the answer of column ``base``: where another one wrote something else, a run that reads it."""
    first = seen[base].trace
    if first is None:
        return list(seen)
    return [s if s.trace is None else _scored(s, first) for s in seen]


def _scored(seen: ColumnRun, first: Trace) -> ColumnRun:
    if seen.trace is None or seen.missing or seen.trace.answer == first.answer:
        return seen
    asked = replace(
        seen.asked, mode="Given answer", answer=first.answer, author=first.model.label, raw_given=seen.asked.raw
    )
    run, request, problem = _stored(asked)
    if not run:
        able = request is not None or not problem
        return replace(seen, asked=asked, missing=True, able=able, problem=problem or _failed(asked, ""))
    return _opened(replace(seen, asked=asked), run, request)


def _opened(seen: ColumnRun, run: str, request: Request | None) -> ColumnRun:
    """With the trace, or with why it cannot stand beside the others."""
    try:
        trace = open_trace(run, request)
    except HeedError as error:
        return replace(seen, missing=True, problem=str(error))
    if trace is None:
        return replace(seen, missing=True, problem=f"There is no stored run {run[:8]}: it may have been deleted.")
    if trace.model.attention == "none":
        problem = f"{trace.model.label} has no attention, so it cannot stand beside the others."
        return replace(seen, problem=problem)
    if trace.rows is None:
        problem = f"The attention rows of run {run[:8]} are not stored any more: press Compare to compute them again."
        return replace(seen, missing=True, problem=problem)
    return replace(seen, trace=trace)


def _stored(asked: RunSettings) -> tuple[str, Request | None, str]:
    """(id, request, "") of a stored run that answers this, else "", with why it is not there or cannot be run.

    A request with a problem is a run that cannot be opened, which may be made again; a problem alone cannot.
    """
    known: dict[RunSettings, str] = st.session_state.setdefault("compare_known", {})
    request = None
    try:
        request = draft_request(asked.draft())
        run = known.get(asked, "") if request is None else request.id
        trace = open_trace(run, request) if run else None
    except HeedError as error:
        return "", request, str(error)
    return (run, request, "") if trace is not None else ("", None, "")


def _failed(asked: RunSettings, policy: str) -> str:
    """Why the last try failed, where it asked for the same."""
    error = st.session_state.get("compare_errors", {}).get(asked, "")
    if error and policy == SHARED and asked.system == "replace" and "chat template" in error:
        error += " Or choose “Each template's own” under System message."
    return error


def start_missing(missing: Sequence[ColumnRun]) -> None:
    """One job for everything that is missing."""
    state: Any = st.session_state
    state.compare_told = ""
    leave_columns()
    wanted = list(dict.fromkeys(s.asked for s in missing))
    drafts = [asked.draft() for asked in wanted]
    names = [next(s for s in missing if s.asked == asked) for asked in wanted]
    try:
        device = next((_device(d.model) for d in drafts), "cpu")
        name = "compare " + " ".join(d.name for d in drafts)
        job_progress.begin_job(name, run_all_work(drafts, [f"Column {s.letter}" for s in names]), device, COLUMNS_SLOT)
        state.compare_wanted = wanted
    except HeedError as error:
        state.compare_told = str(error)


def _device(model: str) -> str:
    try:
        return resolve(model).device
    except HeedError:
        return "cpu"


def leave_columns() -> None:
    """Nothing is waited for any more; what was finished stays."""
    job_progress.leave_job(COLUMNS_SLOT)


def is_awaited(asked: RunSettings) -> bool:
    """True while the job under way works on this."""
    return job_progress.current_job(COLUMNS_SLOT) is not None and asked in (
        st.session_state.get("compare_wanted") or ()
    )


def collect_columns() -> None:
    """Takes over what the job brought, once: runs by what was asked, and what went wrong."""
    state: Any = st.session_state
    ended, result, error = job_progress.take_result(COLUMNS_SLOT)
    if not ended:
        return
    state.compare_told = error
    errors, known = state.setdefault("compare_errors", {}), state.setdefault("compare_known", {})
    for asked, outcome in zip(state.get("compare_wanted") or (), result or (), strict=False):
        errors.pop(asked, None)
        if isinstance(outcome, Outcome) and outcome.error:
            errors[asked] = outcome.error
        elif isinstance(outcome, Outcome):
            known[asked] = outcome.run
