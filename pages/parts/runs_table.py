"""Draws the page Runs: a searchable table of stored runs, and actions on the ticked ones."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import pandas as pd
import streamlit as st

from core import people, store
from core.errors import HeedError
from core.store import RunInfo
from pages.parts.compare.columns import edit_query
from pages.parts.compare.compare_files import keep_comparison, kept_sentence
from pages.parts.frame import example_ids
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload
from pages.parts.sharing import shared_words

PAGE = 50
"""Runs on one page of the list."""
COMPARED = 4


def runs_page() -> None:
    """Draws the page Runs."""
    st.title("Runs", anchor=False)
    told = st.session_state.pop("shelf_error", "")
    if told:
        st.error(escape_markdown(told))
    example_ids()
    try:
        _set_aside()
        _import()
        runs = _search()
        if not runs:
            st.info("No run matches. Press Run on the page Explore, or open a file that was downloaded there.")
            return
        _actions([runs[i] for i in _table(runs) if i < len(runs)])
    except HeedError as error:
        st.error(escape_markdown(str(error)))


def _set_aside() -> None:
    """Tells of runs that were damaged and set aside, until they are deleted."""
    paths = store.set_aside_paths()
    if not paths:
        return
    names = ", ".join(dict.fromkeys(path.name[:8] for path in paths[-3:]))
    count = "One stored run was" if len(paths) == 1 else f"{len(paths)} stored runs were"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"{count} damaged and set aside in {escape_markdown(str(paths[-1].parent))} ({names}): run again what you "
            "need.",
            icon=":material/warning:",
        )
        if st.button("Delete what was set aside", icon=":material/delete:", type="tertiary"):
            store.delete_set_aside()
            st.rerun()


def _import() -> None:
    with st.expander("Open a run or a comparison from a file (JSON)", icon=":material/upload_file:"):
        file = st.file_uploader("A JSON file downloaded from Explore or Compare", type=["json"], key="upload")
        if file is None or st.session_state.get("uploaded") == file.file_id:
            return
        try:
            found = store.comparison_from_json(file.getvalue())
            kept = keep_comparison(found)
        except HeedError as error:
            log_refused_upload("runs", file.getvalue(), error)
            st.error(escape_markdown(str(error)))
            return
        st.session_state.uploaded = file.file_id
        if kept:
            st.info(kept_sentence(kept), icon=":material/info:")
        if len(found.columns) > 1:
            stored = "" if kept else " and its runs were kept"
            st.success(f"A comparison of {len(found.columns)} columns was opened{stored}.")
            st.page_link("pages/compare.py", label="Show it on Compare", icon=":material/compare:")
            return
        st.session_state.pop("compare_opened", None)
        if not kept:
            st.success(f"Run {found.traces[0].id[:8]} was opened and kept.")
        link = {"run": found.traces[0].id}
        st.page_link("pages/explore.py", label="Show it on Explore", icon=":material/visibility:", query_params=link)


def _search() -> list[RunInfo]:
    words, star, at = st.columns([4, 1, 1], vertical_alignment="bottom")
    hint = "Words of the prompt, the answer, the model or the name"
    query = words.text_input("Search", key="query", placeholder=hint)
    starred = star.toggle("Starred only", key="starred")
    state = st.session_state
    total, page, runs = store.page_of_runs(query, starred, PAGE, int(state.get("page") or 1))
    pages = max(1, -(-total // PAGE))
    if pages > 1:
        state["page"] = page  # fewer than before where a search found less
        at.number_input("Page", 1, pages, key="page")
    where = f" · page {page:,} of {pages:,}" if pages > 1 else ""
    st.caption(f"{total:,} {'run' if total == 1 else 'runs'}{where}")
    return runs


def _table(runs: list[RunInfo]) -> list[int]:
    """Draws the table; returns the row numbers of the ticked runs."""
    frame = pd.DataFrame(
        {
            "★": ["★" if r.starred else "" for r in runs],
            "Name": ["(damaged: name it anew)" if r.label_damaged else r.name for r in runs],
            **shared_column([r.id for r in runs]),
            **_from_column(runs),
            "Prompt": [r.prompt for r in runs],
            "Answer": [r.answer for r in runs],
            "Model": [r.model for r in runs],
            "Tokens": [f"{r.tokens_in} + {r.tokens_out}" for r in runs],
            "Finish": [r.finish for r in runs],
            "Made": pd.to_datetime([r.created for r in runs], utc=True, errors="coerce"),
            "Size": [f"{r.bytes / 1e6:.1f} MB" + ("" if r.has_rows else ", no rows") for r in runs],
            "Run": [r.id[:8] for r in runs],
        }
    )
    event = st.dataframe(
        frame,
        key=table_key(r.id for r in runs),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "Prompt": st.column_config.TextColumn(width="medium"),
            "Answer": st.column_config.TextColumn(width="medium"),
            "Made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )
    return list(event["selection"]["rows"])


def _from_column(runs: list[RunInfo]) -> dict[str, list[str]]:
    """The column that says which runs came from a file; none where all were made here."""
    found = ["a file" if run.origin == "imported" else "" for run in runs]
    return {"From": found} if any(found) else {}


def shared_column(ids: list[str]) -> dict[str, list[str]]:
    """The column that says what is shared and by whom; none where nobody signs in."""
    if people.viewer() is None:
        return {}
    found = people.belongings_of("run")
    return {"Shared": [shared_words(found.get(ident)) for ident in ids]}


def table_key(ids: Iterable[str]) -> str:
    """The widget key of a table of these runs. Ticks are row numbers, so other runs need a new table."""
    return f"runs_table_{sha256(' '.join(ids).encode()).hexdigest()[:16]}"


def _actions(picked: list[RunInfo]) -> None:
    if not picked:
        st.caption("Tick runs on the left to open, name, star, compare or delete them.")
        return
    ids = [r.id for r in picked]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(picked) == 1:
            _one(picked[0])
        elif len(picked) <= COMPARED:
            if st.button("Compare", type="primary", icon=":material/compare:"):
                st.switch_page("pages/compare.py", query_params={"runs": ",".join(ids)})
        else:
            st.caption(f"Up to {COMPARED} runs can be compared at once.")
        every = all(r.starred for r in picked)
        if st.button("Unstar" if every else "Star", icon=":material/star:"):
            for run in ids:
                store.star_run(run, not every)
            st.rerun()
        mine = [ident for ident in ids if people.is_owner("run", ident)]
        if len(mine) < len(ids):
            st.caption("Only whoever shares a run can delete it or end that.", width="content")
        if not mine:
            return
        if people.viewer() is not None:
            _share(mine)
        with st.popover("Delete", icon=":material/delete:"):
            st.write(f"Delete {len(mine)} {'run' if len(mine) == 1 else 'runs'} for good?")
            if st.button("Yes, delete", type="primary", key="really"):
                store.delete_runs(mine)
                st.rerun()


def _share(mine: list[str]) -> None:
    """Draws the button that shares these own runs with everybody who signs in, or ends that."""
    found = people.belongings_of("run")
    every = all(found[ident].mine_shared for ident in mine if ident in found)
    about = "Everybody who signs in here sees them, with what was computed beside them"
    if st.button("Stop sharing" if every else "Share", icon=":material/group:", key="share", help=about):
        for ident in mine:
            people.share_with_all("run", ident, not every)
        st.rerun()


def _one(run: RunInfo) -> None:
    if st.button("Open", type="primary", icon=":material/visibility:"):
        st.switch_page("pages/explore.py", query_params={"run": run.id})
    if st.button("Edit and compare", icon=":material/compare:", help="This run, and a copy of it to change"):
        st.switch_page("pages/compare.py", query_params=edit_query(run.id))
    key = f"name_{run.id}"

    def renamed() -> None:
        try:
            store.name_run(run.id, st.session_state[key])
        except HeedError as error:
            st.session_state.shelf_error = str(error)

    st.text_input("Name", run.name, key=key, placeholder="Give it a name", max_chars=80, width=260, on_change=renamed)
