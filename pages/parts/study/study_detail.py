"""Draws one study: progress, actions, errors, answers so far, downloads.

Guarded by tests/pages/test_study_running.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.study.column_labels import column_label, model_label, structure_label, task_label
from core.study.judging import count_unjudged
from core.study.own_values import define_own_metrics
from core.study.plan import Plan
from core.study.quality.metrics import outcome_metrics
from core.study.quality.own_metric import OwnMetric
from core.study.study import Study, StudyInfo
from core.study.study_status import Status, duration_words
from core.text.spreadsheet_text import guarded_csv
from pages.parts.engine_picker import engine_picker
from pages.parts.markdown_escape import escape_markdown
from pages.parts.sharing import sharing_line
from pages.parts.study import extend_study, study_progress
from pages.parts.study.encoder_offer import encoder_offer
from pages.parts.study.own_metrics import own_metrics
from pages.parts.study.study_form import field_key, fill_study_form

SHOWN_ANSWERS = {"prompt_id": "Item", "answer": "Answer"}
SHOWN_FACTS = {
    "structure": "Structure",
    "control": "Position control",
    "model": "Model",
    "task": "Task",
    "truncated": "Cut off",
    "error": "Failed",
}
"""{column of the runs table: its title}, before and behind the outcomes of yes or no"""
ANSWER_COLUMNS = {
    "Item": st.column_config.TextColumn(width=130),
    "Answer": st.column_config.TextColumn(width="medium"),
}
"""Widths, so that what an answer is worth and which model gave it stand beside it on every page of the list."""
ANSWERS = 200
"""Answers on a page of their list, newest first."""


def study_detail(known: StudyInfo) -> None:
    """Draws everything about the study."""
    study = Study(known.id)
    try:
        status, plan = study.status(), study.plan
        job = study_progress.study_job(known.id)
        now = study_progress.study_phase(status, job)
        st.subheader(f"{study_progress.ICONS[now]} {escape_markdown(known.name)}", anchor=False)
        st.caption(_about(plan))
        if now in study_progress.MOVING:
            study_progress.live_progress(known.id, now)
        else:
            study_progress.progress_bar(status, job, now)
        own = sharing_line("study", known.id)
        _buttons(known.id, status, now, own)
        _told(known.id, status, job, now)
        if status.done:
            _next(known.id)
            if own and now not in study_progress.MOVING:
                encoder_offer(known.id)
            _answers(study, known.id)
            _downloads(study, known.name)
        if not own:
            return
        with st.expander(
            f"Own metrics: {len(plan.metrics)}" if plan.metrics else "Own metrics", icon=":material/rule:"
        ):
            own_metrics(partial(_defined, known.id), known.id, partial(_define, known.id))
            left = count_unjudged(study.db) if now not in study_progress.MOVING else 0
            if left:
                label = f"Ask the judge about {left:,} {'answer' if left == 1 else 'answers'}"
                st.button(label, key=field_key("judge"), on_click=_go, args=(known.id,))
        with st.expander("Extend: more items, structures, models, longer answers", icon=":material/add_circle:"):
            if now == "done" and not status.failed:
                engine_picker()  # else it stands above, or the study runs
            extend_study.extend_study(study, plan)
    finally:
        study.close()


def _about(plan: Plan) -> str:
    """The plan in one line: items, structures, models, settings."""
    items = plan.all_items()
    tasks = list(dict.fromkeys(i.task for i in items))
    warm = f"temperature {plan.temperature:g}, {len(plan.seeds)} seeds" if plan.hot else "greedy"
    controls = f" and {len(plan.controls)} position controls" if plan.controls else ""
    parts = [
        f"{len(items):,} items ({', '.join(task_label(t).lower() for t in tasks[:4])}{', …' * (len(tasks) > 4)})",
        f"{', '.join(structure_label(s) for s in plan.structures)}{controls}",
        ", ".join(model_label(m) for m in plan.models),
        f"{plan.max_new_tokens} tokens, {warm}",
    ]
    return escape_markdown(" · ".join(parts))


def _buttons(ident: str, status: Status, now: str, own: bool) -> None:
    if own and (status.failed or not status.over) and now not in study_progress.MOVING:
        engine_picker()  # what failed is tried again there too
    with st.container(horizontal=True, vertical_alignment="center"):
        if not own:
            _as_new_plan(ident)
            return
        if now in ("queued", "running"):
            st.button(
                "Pause",
                key=field_key("pause"),
                icon=":material/pause:",
                on_click=study_progress.pause_study,
                args=(ident,),
            )
            _cancel(ident, status)
        elif not status.over:
            word = "Resume" if status.done or status.failed else "Start"
            about: dict[str, Any] = {"type": "primary", "icon": ":material/play_arrow:", "disabled": now == "elsewhere"}
            st.button(word, key=field_key("resume"), on_click=_go, args=(ident,), **about)
        if status.failed and now not in study_progress.MOVING:
            st.button(
                "Retry failed runs", key=field_key("retry"), icon=":material/replay:", on_click=_retry, args=(ident,)
            )
        _as_new_plan(ident)
        if now not in study_progress.MOVING:
            with st.popover("Delete", icon=":material/delete:"):
                st.write(f"Delete this study with {_runs(status.done + status.failed)} for good?")
                st.button("Yes, delete", key=field_key("really"), type="primary", on_click=_delete, args=(ident,))


def _as_new_plan(ident: str) -> None:
    st.button(
        "Use as a new plan", key=field_key("again"), icon=":material/content_copy:", on_click=_again, args=(ident,)
    )


def _cancel(ident: str, status: Status) -> None:
    """Draws Cancel: stops the study and keeps its finished runs, or deletes it."""
    with st.popover("Cancel", icon=":material/stop_circle:"):
        st.button(
            f"Stop, keep {_runs(status.done)}",
            key=field_key("stop_keep"),
            on_click=study_progress.pause_study,
            args=(ident,),
        )
        st.button("Stop and delete the study", key=field_key("stop_delete"), on_click=_delete, args=(ident,))


def _runs(count: int) -> str:
    return f"{count:,} {'run' if count == 1 else 'runs'}"


def _defined(ident: str) -> tuple[OwnMetric, ...]:
    """The own metrics that the study has now."""
    study = Study(ident)
    try:
        return study.plan.metrics
    finally:
        study.close()


def _define(ident: str, metrics: tuple[OwnMetric, ...]) -> None:
    """Gives the study these own metrics and computes what is new."""
    study = Study(ident)
    try:
        define_own_metrics(study.db, metrics)
    finally:
        study.close()
    study_progress.start_study(ident)


def _go(ident: str) -> None:
    _try(lambda: study_progress.start_study(ident))


def _retry(ident: str) -> None:
    _try(lambda: study_progress.start_study(ident, retry=True))


def _again(ident: str) -> None:
    def take() -> None:
        study = Study(ident)
        try:
            fill_study_form(study.plan)
        finally:
            study.close()
        st.session_state[field_key("view")] = "new"

    _try(take)


def _delete(ident: str) -> None:
    study_progress.pause_study(ident)
    _try(lambda: Study(ident).delete())


def _try(act: Callable[[], Any]) -> None:
    """Calls ``act`` and stores its error for the next rerun to show."""
    st.session_state[field_key("one_problem")] = ""
    try:
        act()
    except HeedError as error:
        st.session_state[field_key("one_problem")] = str(error)


def _told(ident: str, status: Status, job: Any, now: str) -> None:
    """Draws the errors, each reason for failed runs once, and how long a finished study took."""
    problem = st.session_state.pop(field_key("one_problem"), "")
    if job is not None and job.state == "failed" and now not in study_progress.MOVING:
        problem = problem or job.error
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    for why, count in status.reasons.items():
        st.warning(f"{_runs(count)} failed: {escape_markdown(why)}", icon=":material/info:")
    if now == "done" and status.done:
        st.caption(f"{_runs(status.done)} took {duration_words(status.seconds)}.")


def _next(ident: str) -> None:
    """Draws the links to Findings and Rate."""
    with st.container(horizontal=True):
        for page, label, icon in (
            ("pages/findings.py", "Open in Findings", ":material/insights:"),
            ("pages/rate.py", "Rate the answers", ":material/star_rate:"),
        ):
            st.page_link(page, label=label, icon=icon, query_params={"study": ident})


def _answers(study: Study, ident: str) -> None:
    if not st.toggle("Show the answers", key=field_key(f"answers_{ident}")):
        return
    count = study.count_runs()
    pages = max(1, -(-count // ANSWERS))
    page = 1
    if pages > 1:
        page = int(st.number_input("Page", 1, pages, key=field_key(f"answers_page_{ident}"), width=160))
        st.caption(f"{_runs(count)}, newest first · page {page:,} of {pages:,}")
    table = study.latest_runs(ANSWERS, (page - 1) * ANSWERS)
    outcomes = {name: column_label(name) for name in outcome_metrics(table.columns, binary=True)}
    titles = SHOWN_ANSWERS | outcomes | SHOWN_FACTS
    if not study.plan.controls:
        del titles["control"]
    shown = table[[n for n in titles if n in table]].copy()
    shown["structure"] = shown["structure"].map(structure_label)
    shown["task"] = shown["task"].map(task_label)
    shown["model"] = shown["model"].map(model_label)
    for name in outcomes:
        if name in shown:
            shown[name] = shown[name].map({1.0: "yes", 0.0: "no"}).fillna("")
    st.dataframe(
        shown.rename(columns=titles), hide_index=True, key=field_key("answers_table"), column_config=ANSWER_COLUMNS
    )


def _downloads(study: Study, name: str) -> None:
    """Draws downloads of tables and plan; each is made when its button is pressed."""
    ident = study.id

    def table(kind: str, form: str) -> Callable[[], bytes]:
        def make() -> bytes:
            own = Study(ident)
            try:
                frame = own.table() if kind == "runs" else own.instructions()
            finally:
                own.close()
            return frame.to_parquet(index=False) if form == "parquet" else guarded_csv(frame).encode()

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
                key=field_key(f"get_{file}"),
                help=about,
                on_click="ignore",
                type="tertiary",
            )
