"""Draws the page Compare: presets, system message rule, columns with editors, the button Compare, views.

The order of drawing is not the order on the page: editors first (they give the requests), then stored runs, then the
comparison over all columns, and only then the texts inside each column, since they share a scale.
Guarded by tests/pages/test_compare.py and tests/browser/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.comparing.comparison_summary import alignment_sentence, letter_note
from core.comparing.minimal_pairs import Pair, pair_name
from core.errors import HeedError
from pages.parts.compare.column_editor import column_editor, column_header
from pages.parts.compare.column_texts import column_texts, marked_values, shade_scale
from pages.parts.compare.columns import (
    COMPARE_LEVELS,
    LETTERS,
    MOST_COLUMNS,
    QUERY_NAMES,
    Column,
    columns_query,
    current_columns,
    query_columns,
    question,
    system_rule,
)
from pages.parts.compare.compare_files import comparison_downloads, comparison_opener, take_opened
from pages.parts.compare.compare_views import COMPARE_VIEWS, compare_view
from pages.parts.compare.continue_columns import continue_columns_button
from pages.parts.compare.matched_columns import MatchedColumns, match_columns
from pages.parts.compare.presets import draw_presets, open_first_visit, open_runs
from pages.parts.compare.question_box import (
    job_messages,
    level_control,
    question_box,
    run_button,
    same_answer_control,
    scale_control,
)
from pages.parts.compare.stored_runs import (
    ColumnRun,
    collect_columns,
    find_run,
    is_awaited,
    model_shape,
    same_answer_runs,
)
from pages.parts.frame import example_ids
from pages.parts.markdown_escape import escape_markdown


def compare_page() -> None:
    """Draws the page Compare."""
    st.title("Compare", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        about = "Two to four runs side by side: which words of the prompt did each of them read while it answered?"
        st.caption(about, width="content")
        draw_presets()
    try:
        collect_columns()
        if not take_opened():
            _open()
        _draw()
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")


def _open() -> None:
    """Opens the runs named in a new URL; the columns of a first visit where there are none."""
    state = st.session_state
    query = {name: st.query_params[name] for name in st.query_params}
    if "runs" in query and query["runs"] != state.get("compare_address"):
        example_ids()
        runs, readings = query_columns(query)
        state.compare_problems = open_runs(runs, readings, "edit" in query)
        state.compare_address = query["runs"]
        if query.get("level") in COMPARE_LEVELS:
            state.compare_level = query["level"]
        if query.get("view") in COMPARE_VIEWS:
            state.compare_view = query["view"]
    if not current_columns():
        open_first_visit()


def _draw() -> None:
    for problem in st.session_state.get("compare_problems") or ():
        st.warning(escape_markdown(problem))
    job, row, pairs = question_box(model_shape(question(), None))
    messages = st.container()
    count = len(pairs or current_columns())
    places = st.columns(count, gap="medium")
    columns = _pair_columns(pairs) if pairs else current_columns()
    own = [_column(c, letter, place) for c, letter, place in zip(columns, LETTERS, places, strict=False)]
    with row:
        level = level_control(own)
        shared = scale_control() if count > 1 else True
        base = same_answer_control(own)
        if not pairs:
            continue_columns_button(own)
    seen = own if base is None else same_answer_runs(own, base)
    with job:
        run_button(seen)
    with messages:
        job_messages(own)
    seen, all_of = match_columns(seen, level)
    _address([s.column for s in own], level)
    _texts(seen, all_of, places, shared)
    if all_of is not None:
        marked_values(all_of)
        _aligned(all_of)
        figure, table = compare_view(all_of, shared)
        comparison_downloads(all_of, figure, level, table)
    comparison_opener()


def _column(column: Column, letter: str, place: DeltaGenerator) -> ColumnRun:
    """Draws one column's header and editor; returns the column with its run. A minimal pair is edited above."""
    policy, text = system_rule()
    before = find_run(column, letter, policy, text)
    column = before.column
    with place, st.container(gap="xsmall"):
        column_header(column, letter, before.trace)
        now = column if column.title else column_editor(column, model_shape(column, before.trace), before.trace)
    return before if now == column else find_run(now, letter, policy, text)


def _pair_columns(pairs: Sequence[Pair]) -> list[Column]:
    """A column for each expansion of the prompt above."""
    asked = question()
    return [
        replace(asked, uid=-number, filled=replace(asked.filled, prompt=pair.text), title=pair_name(pair))
        for number, pair in enumerate(pairs[:MOST_COLUMNS], 1)
    ]


def _texts(
    seen: Sequence[ColumnRun], all_of: MatchedColumns | None, places: Sequence[DeltaGenerator], shared: bool
) -> None:
    """Draws each column's texts, or why it has none."""
    at = {} if all_of is None else {d.seen.letter: i for i, d in enumerate(all_of.drawn)}
    tops = [] if all_of is None else shade_scale(all_of, shared)
    for s, place in zip(seen, places, strict=True):
        with place:
            _problem(s)
            if all_of is not None and s.letter in at:
                column_texts(all_of, at[s.letter], tops[at[s.letter]])


def _problem(seen: ColumnRun) -> None:
    """Draws one sentence where the column has a problem, is running, or has no run of its current settings."""
    if seen.missing and not seen.problem and is_awaited(seen.asked):
        st.info("Being run: see above.", icon=":material/hourglass_top:")
    elif seen.problem:
        old = " The run below is from before the change." if seen.missing and seen.trace is not None else ""
        st.warning(escape_markdown(seen.problem + old), icon=":material/info:")
    elif seen.missing and seen.trace is not None:
        st.info(f"Changed since this run: press Compare.{_long(seen)}", icon=":material/info:")
    elif seen.missing:
        if seen.column.title:
            st.text(seen.asked.prompt)
        st.info(f"Not run yet: press Compare.{_long(seen)}", icon=":material/info:")


LONG_TEXT = 2000
"""Number of words in a prompt from which on the page warns that reading it may take minutes."""


def _long(seen: ColumnRun) -> str:
    """A sentence about a prompt that takes long to read; empty for others."""
    words = sum(len(text.split()) for text in (seen.asked.prompt, *(text for _, text in seen.asked.documents)))
    return f" Its prompt has {words:,} words: reading it may take minutes." if words >= LONG_TEXT else ""


def _aligned(all_of: MatchedColumns) -> None:
    """Draws a sentence on how the prompts' words align, and the notes of the comparison."""
    comparison = all_of.comparison
    if len(all_of.drawn) > 1:
        st.caption(alignment_sentence(comparison.status, all_of.letters))
    for note in comparison.notes:
        st.caption(f":material/info: {escape_markdown(letter_note(note, all_of.letters))}")


def _address(shown: Sequence[Column], level: str) -> None:
    """Writes the comparison into the URL."""
    found = columns_query(shown)
    if not found:
        return
    st.session_state.compare_address = found["runs"]
    found |= {"level": level} if level != "word" else {}
    view = st.session_state.get("compare_view") or st.query_params.get("view", "")
    found |= {"view": view} if view in COMPARE_VIEWS and view != next(iter(COMPARE_VIEWS)) else {}
    for name in (*QUERY_NAMES, "edit"):
        if name in found and st.query_params.get(name) != found[name]:
            st.query_params[name] = found[name]
        elif name not in found and name in st.query_params:
            del st.query_params[name]
