"""Finds the stored run of each column, starts one job for all missing runs and collects their errors.

A column shows the run it was opened with, or any stored run of the same request. After an edit the old run stays on
the page, marked as changed, until the new one is stored. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.importance import keeps_heads
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
    """A column with its trace, or with why it has none."""

    column: Column
    letter: str
    asked: RunSettings
    """The column's settings under the system message rule, with the answer of another column where that is scored."""
    trace: Trace | None = None
    missing: bool = False
    """No stored run has these settings."""
    problem: str = ""
    """One sentence on why it cannot be run or compared; else empty."""
    able: bool = True
    """False where the settings make no valid request, e.g. an empty prompt."""

    @property
    def name(self) -> str:
        """E.g. ``A · SmolLM2 135M Instruct``."""
        if self.column.title:
            return f"{self.letter} · {self.column.title}"
        return self.letter if self.trace is None else f"{self.letter} · {self.trace.model.label}"


def model_shape(column: Column, trace: Trace | None) -> tuple[tuple[int, ...], int]:
    """(layers with attention, number of heads) that can be picked in the column's model; ``((), 0)`` where unknown."""
    if trace is not None and trace.model.key.name == column.filled.model:
        return trace.model.attention_layers, trace.model.heads if keeps_heads(trace) else 0
    try:
        ref = known_ref(resolve(column.filled.model))
    except HeedError:
        ref = None
    return (ref.attention_layers, ref.heads) if ref is not None else ((), 0)


def find_run(column: Column, letter: str, policy: str, text: str) -> ColumnRun:
    """The column with the run it was opened with, or with a stored run of the same request."""
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
    """The columns with runs that score the answer of column ``base`` wherever their own answer differs."""
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
    """``seen`` with the trace of ``run``, or with why it cannot be compared."""
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
        why = "were not kept" if trace.request.keep == "none" else "are not stored any more"
        problem = f"The attention rows of run {run[:8]} {why}: press Compare to compute them."
        return replace(seen, missing=True, problem=problem)
    return replace(seen, trace=trace)


def _stored(asked: RunSettings) -> tuple[str, Request | None, str]:
    """(run id, request, "") of a stored run with these settings, else ("", request or None, problem or "").

    A request with a problem is a stored run that cannot be opened and may be run again; a problem alone cannot be run.
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
    """The error of the last job for these settings; empty where there is none."""
    error = st.session_state.get("compare_errors", {}).get(asked, "")
    if error and policy == SHARED and asked.system == "replace" and "chat template" in error:
        error += " Or choose “Each template's own” under System message."
    return error


def start_missing(missing: Sequence[ColumnRun]) -> None:
    """Queues one job that runs all missing columns."""
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
    """Leaves the job of the columns; runs that are finished stay stored."""
    job_progress.leave_job(COLUMNS_SLOT)


def is_awaited(asked: RunSettings) -> bool:
    """True while the current job runs these settings or will."""
    return job_progress.current_job(COLUMNS_SLOT) is not None and asked in (
        st.session_state.get("compare_wanted") or ()
    )


def collect_columns() -> None:
    """Moves a finished job's run ids and errors into the session, keyed by the settings."""
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
