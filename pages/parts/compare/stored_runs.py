"""Finds the stored runs of the columns and of the views, and starts one job for those that are missing.

A column shows the run it was opened with, or any stored run of the same request. After an edit the old run stays on
the page, marked as changed, until the new one is stored. Of a view's many runs none is shown by itself: a failed one is
named with its error and left out; the others count. Guarded by tests/pages/test_compare.py and
tests/pages/test_compare_stability.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core import store
from core.errors import HeedError
from core.importance import keeps_heads
from core.jobs.run_jobs import Outcome, drafts_seconds, run_all_work
from core.models.model_key import asked_name, known_ref, resolve
from core.probe.time_estimate import TimeEstimate
from core.records import Request, Trace
from core.run_settings import RunSettings
from core.runs import Draft, draft_request, is_stored
from pages.parts import job_progress
from pages.parts.compare.columns import SHARED, Column, apply_system_rule, update_column
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import open_trace

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
    if trace is not None and asked_name(trace.model.key) == column.filled.model:
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
        work = run_all_work(drafts, [f"Column {s.letter}" for s in names])
        job_progress.begin_job(name, work, device, COLUMNS_SLOT, drafts_seconds(drafts))
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


def missing_runs(
    drafts: Sequence[Draft],
    names: Sequence[str],
    *,
    key: str,
    label: str,
    time: TimeEstimate,
    about: str,
    rows: bool = True,
) -> tuple[Request | None, ...]:
    """Returns each draft's request where its run is stored, else None; draws a button that runs those missing.

    ``label`` is the button's, ``about`` the caption beside it, with ``{missing}`` and the ``{time}`` that they take;
    ``time`` is that of all. ``rows``: a run without its attention rows counts as missing.
    """
    slot, state = f"{key}_job", st.session_state
    job = job_progress.current_job(slot)
    if job is not None and job.state == "done":
        state[f"{key}_failed"] = {outcome.draft: outcome.error for outcome in job.result if outcome.error}
    found, problems = zip(*[_look_up(d, rows) for d in drafts], strict=True) if drafts else ((), ())
    failed: dict[str, str] = state.get(f"{key}_failed") or {}
    missing = [i for i, request in enumerate(found) if request is None and not problems[i]]
    for name, told in _told(names, problems, [failed.get(d.name, "") for d in drafts], found):
        st.warning(f"{escape_markdown(name)}: {escape_markdown(told)}", icon=":material/info:")
    if not job_progress.job_waits(slot) and missing:
        wanted = [drafts[i] for i in missing]
        first = draft_request(wanted[0])
        left = replace(time, seconds=time.seconds * len(missing) / len(drafts))
        device = "cpu" if first is None else first.model.device
        looks = {"key": f"{key}_start", "type": "primary"}
        ask = job_progress.Ask("batch " + " ".join(d.name for d in wanted), label, "", left, device, looks)
        with st.container(horizontal=True, vertical_alignment="center"):
            job_progress.job_button(slot, ask, run_all_work(wanted, [names[i] for i in missing]))
            st.caption(about.format(missing=len(missing), time=left.text), width="content")
    return found


def is_busy(key: str) -> bool:
    """True while the job of this batch waits or runs."""
    return job_progress.current_job(f"{key}_job") is not None


def open_found(request: Request, rows: bool = True) -> Trace:
    """The stored run of a request that ``missing_runs`` returned. Raises HeedError where it has gone meanwhile."""
    trace = store.load_run(request, rows)
    if trace is None:
        raise HeedError(f"The stored run {request.id[:8]} is gone: run it again.")
    return trace


def run_stamps(requests: Sequence[Request]) -> tuple[tuple[Any, ...], ...]:
    """Cache key of stored runs: id, segments and time of writing of each."""
    return tuple((r.id, r.segments, store.run_stamp(r.id)) for r in requests)


def _look_up(draft: Draft, rows: bool) -> tuple[Request | None, str]:
    """(request, "") of a stored run, (None, "") of a missing one, (None, why) of one that cannot be run."""
    try:
        request = draft_request(draft)
    except HeedError as error:
        return None, str(error)
    return (request, "") if request is not None and is_stored(request, rows) else (None, "")


def _told(
    names: Sequence[str], problems: Sequence[str], failed: Sequence[str], found: Sequence[Request | None]
) -> list[tuple[str, str]]:
    """(name, reason) of runs that cannot be run or have failed; runs with the same reason are merged."""
    said: dict[str, list[str]] = {}
    for name, problem, error, request in zip(names, problems, failed, found, strict=True):
        if request is None and (problem or error):
            said.setdefault(problem or error, []).append(name)
    return [(n[0] if len(n) == 1 else f"{n[0]} and {len(n) - 1} more", why) for why, n in said.items()]
