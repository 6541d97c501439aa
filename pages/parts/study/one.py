"""One study: how far it is, what went wrong, what can be done with it, its answers so far.

Guarded by tests/pages/test_study_running.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.plan import Plan
from core.study.status import Status, lasting
from core.study.study import Known, Study
from core.study.words import model_words, structure_words, task_words
from pages.parts.study import extend, running
from pages.parts.study.encoder import encoder
from pages.parts.study.filled import fill, key
from pages.parts.text import escape

ROOT = Path(__file__).resolve().parents[3]
SHOWN = {
    "prompt_id": "Item",
    "answer": "Answer",
    "correct": "Correct",
    "followed": "Rules followed",
    "structure": "Structure",
    "control": "Position control",
    "model": "Model",
    "task": "Task",
    "truncated": "Cut off",
    "error": "Failed",
}
"""{column of the runs table: what it is called}"""
ANSWERS = 200
"""Newest answers that are listed."""


def one(known: Known) -> None:
    """Draws the study."""
    study = Study(known.id)
    try:
        status, plan = study.status(), study.plan
        job = running.job_of(known.id)
        now = running.phase(status, job)
        st.subheader(f"{running.ICONS[now]} {escape(known.name)}", anchor=False)
        st.caption(_about(plan))
        if now in running.MOVING:
            running.live(known.id, now)
        else:
            running.bar(status, job, now)
        _buttons(known.id, status, now)
        _told(known.id, status, job, now)
        if status.done:
            _next(known.id)
            if now not in running.MOVING:
                encoder(known.id)
            _answers(study, known.id)
            _downloads(study, known.name)
        with st.expander("Extend: more items, structures, models", icon=":material/add_circle:"):
            extend.extend(study, plan)
    finally:
        study.close()


def _about(plan: Plan) -> str:
    """What is asked, in a line."""
    items = plan.all_items()
    tasks = list(dict.fromkeys(i.task for i in items))
    warm = f"temperature {plan.temperature:g}, {len(plan.seeds)} seeds" if plan.hot else "greedy"
    controls = f" and {len(plan.controls)} position controls" if plan.controls else ""
    parts = [
        f"{len(items):,} items ({', '.join(task_words(t).lower() for t in tasks[:4])}{', …' * (len(tasks) > 4)})",
        f"{', '.join(structure_words(s) for s in plan.structures)}{controls}",
        ", ".join(model_words(m) for m in plan.models),
        f"{plan.max_new_tokens} tokens, {warm}",
    ]
    return escape(" · ".join(parts))


def _buttons(ident: str, status: Status, now: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if now in ("queued", "running"):
            st.button("Pause", key=key("pause"), icon=":material/pause:", on_click=running.pause, args=(ident,))
            _cancel(ident, status)
        elif not status.over:
            word = "Resume" if status.done or status.failed else "Start"
            about: dict[str, Any] = {"type": "primary", "icon": ":material/play_arrow:", "disabled": now == "elsewhere"}
            st.button(word, key=key("resume"), on_click=_go, args=(ident,), **about)
        if status.failed and now not in running.MOVING:
            st.button("Retry failed runs", key=key("retry"), icon=":material/replay:", on_click=_retry, args=(ident,))
        st.button("Use as a new plan", key=key("again"), icon=":material/content_copy:", on_click=_again, args=(ident,))
        if now not in running.MOVING:
            with st.popover("Delete", icon=":material/delete:"):
                st.write(f"Delete this study with {_runs(status.done + status.failed)} for good?")
                st.button("Yes, delete", key=key("really"), type="primary", on_click=_delete, args=(ident,))


def _cancel(ident: str, status: Status) -> None:
    """Cancel is Pause for good: the runs that are done are kept, or not."""
    with st.popover("Cancel", icon=":material/stop_circle:"):
        st.button(f"Stop, keep {_runs(status.done)}", key=key("stop_keep"), on_click=running.pause, args=(ident,))
        st.button("Stop and delete the study", key=key("stop_delete"), on_click=_delete, args=(ident,))


def _runs(count: int) -> str:
    return f"{count:,} {'run' if count == 1 else 'runs'}"


def _go(ident: str) -> None:
    _try(lambda: running.start(ident))


def _retry(ident: str) -> None:
    _try(lambda: running.start(ident, retry=True))


def _again(ident: str) -> None:
    def take() -> None:
        study = Study(ident)
        try:
            fill(study.plan)
        finally:
            study.close()
        st.session_state[key("view")] = "new"

    _try(take)


def _delete(ident: str) -> None:
    running.pause(ident)
    _try(lambda: Study(ident).delete())


def _try(act: Callable[[], Any]) -> None:
    """Problems are told on the page that is drawn next."""
    st.session_state[key("one_problem")] = ""
    try:
        act()
    except HeedError as error:
        st.session_state[key("one_problem")] = str(error)


def _told(ident: str, status: Status, job: Any, now: str) -> None:
    """What went wrong, each reason once."""
    problem = st.session_state.pop(key("one_problem"), "")
    if job is not None and job.state == "failed" and now not in running.MOVING:
        problem = problem or job.error
    if problem:
        st.error(escape(problem), icon=":material/error:")
    for why, count in status.reasons.items():
        st.warning(f"{_runs(count)} failed: {escape(why)}", icon=":material/info:")
    if now == "done" and status.done:
        st.caption(f"{_runs(status.done)} took {lasting(status.seconds)}.")


def _next(ident: str) -> None:
    """Where the answers are looked at."""
    with st.container(horizontal=True):
        for page, label, icon in (
            ("pages/findings.py", "Open in Findings", ":material/insights:"),
            ("pages/rate.py", "Rate the answers", ":material/star_rate:"),
        ):
            if (ROOT / page).exists():
                st.page_link(page, label=label, icon=icon, query_params={"study": ident})


def _answers(study: Study, ident: str) -> None:
    if not st.toggle("Show the answers", key=key(f"answers_{ident}")):
        return
    table = study.table()
    shown = table[[n for n in SHOWN if n in table]].tail(ANSWERS).iloc[::-1].copy()
    shown["structure"] = shown["structure"].map(structure_words)
    shown["task"] = shown["task"].map(task_words)
    shown["model"] = shown["model"].map(model_words)
    for name in ("correct", "followed"):
        if name in shown:
            shown[name] = shown[name].map({1.0: "yes", 0.0: "no"}).fillna("")
    st.dataframe(shown.rename(columns=SHOWN), hide_index=True, key=key("answers_table"))


def _downloads(study: Study, name: str) -> None:
    """Tables and plan; made when they are asked for."""
    ident = study.id

    def table(kind: str, form: str) -> Callable[[], bytes]:
        def make() -> bytes:
            own = Study(ident)
            try:
                frame = own.table() if kind == "runs" else own.instructions()
            finally:
                own.close()
            return frame.to_parquet(index=False) if form == "parquet" else frame.to_csv(index=False).encode()

        return make

    def plan() -> str:
        own = Study(ident)
        try:
            return own.plan.to_json()
        finally:
            own.close()

    files: list[tuple[str, str, Any, str, str]] = [
        ("Runs, CSV", "runs.csv", table("runs", "csv"), "text/csv", "One row a run: every metric and every feature"),
        ("Runs, Parquet", "runs.parquet", table("runs", "parquet"), "application/octet-stream", "The same, smaller"),
        (
            "Instructions, CSV",
            "instructions.csv",
            table("instructions", "csv"),
            "text/csv",
            "A row a run and instruction",
        ),
        ("plan.json", "plan.json", plan, "application/json", "Opens again here, and runs from a shell"),
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Download", width="content")
        for label, file, make, mime, about in files:
            st.download_button(
                label,
                make,
                f"heed-{ident[:8]}-{file}",
                mime,
                key=key(f"get_{file}"),
                help=about,
                on_click="ignore",
                type="tertiary",
            )
