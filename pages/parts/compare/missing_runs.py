"""Finds which of a view's many runs are stored, and offers one button and one job for those that are missing.

Unlike the columns of Compare these runs are never shown one by one: a view only needs to know whether all are stored.
A failed run is named with its error and left out; the others count. Guarded by tests/pages/test_compare_stability.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core import store
from core.errors import HeedError
from core.jobs.run_jobs import Outcome, run_all_work
from core.records import Request, Trace
from core.runs import Draft, draft_request, is_stored
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown


def missing_runs(
    drafts: Sequence[Draft], names: Sequence[str], *, key: str, label: str, about: str = "", rows: bool = True
) -> tuple[Request | None, ...]:
    """Returns each draft's request where its run is stored, else None; draws a button that runs those missing.

    ``label`` is the button's, ``about`` the caption beside it (how long it will take; ``{missing}`` is their number).
    ``rows``: a run without its attention rows counts as missing.
    """
    slot, state = f"{key}_job", st.session_state
    _collect(key, slot)
    found, problems = zip(*[_look_up(d, rows) for d in drafts], strict=True) if drafts else ((), ())
    failed: dict[str, str] = state.get(f"{key}_failed") or {}
    missing = [i for i, request in enumerate(found) if request is None and not problems[i]]
    for name, told in _told(names, problems, [failed.get(d.name, "") for d in drafts], found):
        st.warning(f"{escape_markdown(name)}: {escape_markdown(told)}", icon=":material/info:")
    if job_progress.current_job(slot) is not None:
        job_progress.watch_job(slot)
    elif missing:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(label, key=f"{key}_start", icon=":material/play_arrow:", type="primary"):
                _start([drafts[i] for i in missing], [names[i] for i in missing], key, slot)
                st.rerun()
            st.caption(about.format(missing=len(missing)), width="content")
    if state.get(f"{key}_error"):
        st.error(escape_markdown(state[f"{key}_error"]), icon=":material/error:")
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


def _start(drafts: Sequence[Draft], names: Sequence[str], key: str, slot: str) -> None:
    state: Any = st.session_state
    state[f"{key}_error"], state[f"{key}_failed"] = "", {}
    state[f"{key}_wanted"] = [d.name for d in drafts]
    try:
        first = draft_request(drafts[0])
        device = first.model.device if first is not None else "cpu"
        job_progress.begin_job("batch " + " ".join(d.name for d in drafts), run_all_work(drafts, names), device, slot)
    except HeedError as error:
        state[f"{key}_error"] = str(error)


def _collect(key: str, slot: str) -> None:
    """Moves the errors of a finished job into the session."""
    state: Any = st.session_state
    ended, result, error = job_progress.take_result(slot)
    if not ended:
        return
    state[f"{key}_error"] = error
    outcomes = [o for o in result or () if isinstance(o, Outcome)]
    state[f"{key}_failed"] = {
        name: o.error for name, o in zip(state.get(f"{key}_wanted") or (), outcomes, strict=False) if o.error
    }
