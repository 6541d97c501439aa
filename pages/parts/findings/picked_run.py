"""Draws the run picked in the scatter plot: its values and answer, buttons that step to others, a link to Explore.

Runs are ordered by the feature, or with typical runs, extreme runs or counter-examples first. A run opens in Explore;
one that is not stored any more is computed again first, where its study is on this machine.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core import store
from core.jobs import Work
from core.jobs.rerun import rerun_work
from core.jobs.study_jobs import open_work
from core.study.column_labels import column_label, is_binary, model_label, structure_label, task_label
from core.study.findings.run_details import RunDetails, run_details
from core.study.findings.run_ranking import ORDER_DESCRIPTIONS, ORDERS, neighbour_runs, order_runs
from core.study.findings.source import OpenedStudy
from pages.parts import job_progress
from pages.parts.findings.findings_address import current_address, pass_over_address, state_key
from pages.parts.markdown_escape import escape_markdown

STEPS = "findings_steps"
"""The session key of the steps that were pressed and not gone yet."""
RERUN_SLOT = "findings_opening"
EXCERPT = 600


def picked_run(opened: OpenedStudy, runs: pd.DataFrame, feature: str, metric: str, own: dict[str, Any] | None) -> None:
    """Draws the picked run and the buttons that step to others."""
    state = st.session_state
    _opened_again()
    rho = float(own["rho"]) if own is not None and own.get("rho") == own.get("rho") and own.get("rho") else 0.0
    with st.container(border=True, key="findings_run"):
        line = st.container(horizontal=True, vertical_alignment="bottom")
        kind = line.selectbox(
            "Step through the runs",
            list(ORDERS),
            key="findings_order",
            width=240,
            format_func=lambda k: ORDERS[k],
            help="\n\n".join(f"**{ORDERS[k]}**: {ORDER_DESCRIPTIONS[k]}" for k in ORDERS),
            persist_state="session",
        )
        cells = order_runs(runs, feature, metric, rho, str(kind))
        if not cells:
            st.caption("No run has both values.")
            return
        if state.get("findings_ordered") not in (None, kind):
            state[state_key("cell")] = cells[0]
        state.findings_ordered = kind
        cell = str(state.get(state_key("cell")) or "")
        if steps := state.pop(STEPS, 0):
            for _ in range(abs(steps)):
                _, before, after = neighbour_runs(cells, cell)
                cell = (before if steps < 0 else after) or cell
            state[state_key("cell")] = cell
            st.rerun()  # what stands above shows the picked run too
        at, before, after = neighbour_runs(cells, cell)
        _step(line, "previous", "Previous", ":material/chevron_left:", -1, not before)
        _step(line, "next", "Next" if at >= 0 else "First", ":material/chevron_right:", 1, not after)
        if at < 0:
            st.caption("No run is picked: click a point above, or step through them here.")
            return
        run = runs[runs["cell"] == cell].iloc[0]
        _facts(run, feature, metric, f"{at + 1:,} of {len(cells):,}")
        _details(run_details(opened, run.to_dict()))
        _remember(runs, cells, str(run["run"]))
        _open(opened, run)


def _remember(runs: pd.DataFrame, cells: list[str], run: str) -> None:
    """Stores in the session what Explore needs for Back, Previous and Next."""
    of = dict(zip(runs["cell"], runs["run"], strict=True))
    st.session_state.findings_back = {"query": current_address(), "steps": [(c, of[c]) for c in cells], "run": run}


def _step(line: Any, way: str, label: str, icon: str, by: int, last: bool) -> None:
    """Draws a button that goes ``by`` one run; ``last``: there is none."""
    line.button(label, icon=icon, key=f"findings_{way}", disabled=last, on_click=_count_step, args=(by,))


def _count_step(by: int) -> None:
    """Counts presses; the next drawing goes so far, since it knows the runs: another study may just be picked."""
    pass_over_address()
    st.session_state[STEPS] = st.session_state.get(STEPS, 0) + by


def _facts(run: pd.Series, feature: str, metric: str, place: str) -> None:
    where = (task_label(run["task"]), structure_label(run["structure"]), model_label(run["model"]))
    st.caption(
        f"{escape_markdown(' · '.join(where))} · {escape_markdown(str(run['prompt_id']))} · {place} in this order"
    )
    values = [f"{escape_markdown(column_label(n))} **{_value(run, n)}**" for n in (feature, metric)]
    st.markdown(" · ".join(values) + (" · cut off by the token limit" if run["truncated"] else ""))
    answer = str(run["answer"]).strip()
    st.text(answer[:EXCERPT] + (" …" if len(answer) > EXCERPT else "") or "The answer is empty.")


def _details(details: RunDetails) -> None:
    """Draws why the run failed, its rules and references, and its prompt."""
    for reason in details.reasons:
        st.markdown(f":material/close: {escape_markdown(reason)}")
    rules = [f"{escape_markdown(rule)}: **{escape_markdown(verdict)}**" for rule, verdict in details.rules]
    if details.reference:
        rules.append("Reference: " + escape_markdown(" · ".join(details.reference)))
    for line in rules:
        st.caption(line)
    with st.expander("The prompt of this run"):
        st.text(details.prompt)


def _value(run: pd.Series, name: str) -> str:
    value = float(run[name])
    if value != value:
        return "undefined"
    return ("yes" if value else "no") if is_binary(name) and value in (0, 1) else f"{value:.3g}"


def _open(opened: OpenedStudy, run: pd.Series) -> None:
    """Draws the button that opens the run in Explore, or computes it again first."""
    ident = str(run["run"])
    if store.has_run(ident):
        if st.button("Open in Explore", type="primary", icon=":material/visibility:", key="findings_open"):
            _leave(ident)
    elif not opened.study and opened.plan is None:
        st.caption(
            ":material/info: The attention of this run is not on this machine. A table from a file holds the answers "
            "and numbers of its runs, not what is needed to run them again."
        )
    else:
        about = "Its attention is not kept: the model answers this prompt once more, which takes seconds"
        looks = {"icon": ":material/replay:", "key": "findings_again"}
        name = f"open {opened.id} {run['cell']}"
        ask = job_progress.Ask(name, "Compute again and open", about, None, "cpu", looks)
        job_progress.job_slot(RERUN_SLOT, ask, _work(opened, run))


def _work(opened: OpenedStudy, run: pd.Series) -> Work:
    if opened.study or opened.plan is None:
        return open_work(opened.study, str(run["cell"]))
    plan, row = opened.plan, run.to_dict()
    return lambda progress, cancelled: rerun_work(plan, row)(progress, cancelled)  # what cannot be run is told


def _opened_again() -> None:
    """Opens a run in Explore as soon as its job has computed it again."""
    job = job_progress.current_job(RERUN_SLOT)
    if job is not None and job.state == "done":
        job_progress.leave_job(RERUN_SLOT)
        if back := st.session_state.get("findings_back"):
            back["run"] = str(job.result)
        _leave(str(job.result))


def _leave(ident: str) -> None:
    """Switches to Explore, which links back and to the neighbouring runs."""
    st.switch_page("pages/explore.py", query_params={"run": ident})
