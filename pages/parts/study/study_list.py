"""Draws the list of studies with one of them open below, and the upload of a plan.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from core.errors import HeedError, PromptError
from core.study.plan import Plan
from core.study.study import StudyInfo
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload
from pages.parts.study import study_detail, study_progress
from pages.parts.study.study_form import field_key, fill_study_form

PAGE = 8
"""Studies listed until Show all is pressed."""


def study_list(known: Sequence[StudyInfo]) -> str:
    """Draws the list and the open study; returns its id, empty where none is open."""
    state: Any = st.session_state
    lost = state.pop(field_key("lost"), "")
    if lost:
        st.warning(escape_markdown(lost), icon=":material/info:")
    if not known:
        st.info("There is no study yet: press Start on New study.")
        return ""
    ids = [k.id for k in known]
    if state.get(field_key("shown")) not in ids:
        state[field_key("shown")] = "" if lost else ids[0]
    shown = state[field_key("shown")]
    if len(known) > 1 or not shown:
        with st.container(border=True):
            _list(known, shown)
    if shown:
        study_detail.study_detail(known[ids.index(shown)])
    return str(shown)


def _list(known: Sequence[StudyInfo], shown: str) -> None:
    state: Any = st.session_state
    more = state.get(field_key("more"), False)
    for k in known if more else known[:PAGE]:
        now = study_progress.study_phase(k.status, study_progress.study_job(k.id))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                escape_markdown(k.name or k.id[:8]),
                key=field_key(f"open_{k.id}"),
                type="primary" if k.id == shown else "secondary",
                icon=study_progress.ICONS[now],
                on_click=_show,
                args=(k.id,),
            )
            far = () if now in study_progress.MOVING else (k.status.text,)  # a running study is drawn live
            line = " · ".join([study_progress.PHASE_WORDS[now].split(":")[0], *far, _day(k.created)])
            st.caption(line, width="content")
    if len(known) > PAGE and not more:
        st.button(
            f"Show all {len(known)}",
            key=field_key("show_all"),
            on_click=state.update,
            args=({field_key("more"): True},),
        )


def _show(ident: str) -> None:
    st.session_state[field_key("shown")] = ident


def _day(created: float) -> str:
    return datetime.fromtimestamp(created).strftime("%d %b %Y, %H:%M") if created else "no date"


def plan_opener() -> None:
    """Draws the upload box of a plan.json."""
    with st.expander("Open a plan.json", icon=":material/upload_file:"):
        label = "A plan that was downloaded here, or written by hand"
        st.file_uploader(label, type=["json"], key=field_key("plan_file"), on_change=_opened)
        told = st.session_state.get(field_key("plan_problem"))
        if told:
            st.error(escape_markdown(told), icon=":material/error:")
        elif st.session_state.get(field_key("plan_opened")):
            st.success("The form is filled from the plan: press Start.")


def _opened() -> None:
    state: Any = st.session_state
    file = state[field_key("plan_file")]
    state[field_key("plan_problem")], state[field_key("plan_opened")] = "", False
    if file is None:
        return
    try:
        fill_study_form(read_plan(file.getvalue()))
    except HeedError as error:
        log_refused_upload("plan", file.getvalue(), error)
        state[field_key("plan_problem")] = f"{file.name}: {error}"
        return
    state[field_key("plan_opened")] = True


def read_plan(data: bytes) -> Plan:
    """Parses an uploaded plan. Raises PromptError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError("The file is no text in UTF-8: open a plan.json.") from error
    if isinstance(_items(text), dict):
        raise PromptError("The plan names its items by a file on a disk: upload that file as own items instead.")
    return Plan.from_json(text)


def _items(text: str) -> Any:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return plain.get("items") if isinstance(plain, dict) else None
