"""Draws each column's prompt and answer shaded by attention; a click on a prompt word marks it in all columns.

The click selects nothing within its text: shades stay as they are in all columns, so that they can be compared.
Guarded by tests/pages/test_compare.py and tests/browser/test_compare.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.charts.column_captions import values_elsewhere, what_each_has
from core.charts.reading_texts import ABOUT_SHARES, beside_line, rows_of_answer
from core.charts.shaded_texts import shaded_texts_data, shown_columns, strongest_shade
from core.comparing.comparison_summary import most_read_sentence
from core.importance.reading_summary import short_percent
from core.records import Trace
from pages.parts.compare.matched_columns import MatchedColumns, Name
from pages.parts.markdown_escape import escape_markdown
from pages.parts.reader_component import text_reader
from pages.parts.run_view import FINISHED, QUIET
from pages.parts.whatif.whatif_state import with_hint

HEIGHT = 300
HINT = "Click a word: what did each column read of it?"
ABOUT_TEXTS = ABOUT_SHARES + "\n\n**Words without partner**: words of this prompt that no other column has."


def shade_scale(all_of: MatchedColumns, shared: bool) -> list[float | None]:
    """The value of full shade in each column: one for all shares, one for all scores; None: the column's maximum."""
    if not shared:
        return [None] * len(all_of.drawn)
    most = [strongest_shade(d.words, rows_of_answer(d.trace, d.words)) for d in all_of.drawn]
    top = {
        kind: max((m for m, d in zip(most, all_of.drawn, strict=True) if d.share is kind), default=0.0)
        for kind in (True, False)
    }
    return [top[d.share] or None for d in all_of.drawn]


def column_texts(all_of: MatchedColumns, run: int, maximum: float | None) -> None:
    """Draws the two texts of column number ``run``, their author, and the shares of sink, markup and so on."""
    drawn = all_of.drawn[run]
    trace = drawn.trace
    by = f"written by {escape_markdown(trace.request.author)}, as read by this model · " if trace.request.author else ""
    by += f"**steered: {escape_markdown(trace.model.steered)}** · " if trace.model.steered else ""
    st.caption(f"{by}{_finish(trace)} · run {trace.id[:8]}", help=escape_markdown(trace.model.caption))
    data = _data(drawn.name, all_of.name, run, _all_of=all_of)
    marks = _places(all_of, run, marked_unit(all_of))
    text_reader(
        with_hint(data, HINT) | QUIET | {"maximum": maximum, "marks": marks},
        key=f"side_{drawn.seen.column.uid}",
        height=HEIGHT,
        on_pick=lambda click: _clicked(all_of, run, click),
    )
    if drawn.share:
        st.text(most_read_sentence(all_of.comparison, run, all_of.letters[run]))
    st.caption(_beside(all_of, run), help=ABOUT_TEXTS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _data(name: Name, all_names: Name, run: int, _all_of: MatchedColumns) -> dict[str, Any]:
    drawn = _all_of.drawn[run]
    hover = values_elsewhere(_all_of.comparison, run, _all_of.letters, len(drawn.words.columns))
    return shaded_texts_data(drawn.words, beside_text=hover)


def _finish(trace: Trace) -> str:
    return f"{trace.prompt_length} tokens in, {trace.steps} out, {FINISHED[trace.finish]}"


def _beside(all_of: MatchedColumns, run: int) -> str:
    """The line of shares of all attention, as on Explore, and the share on words without partner."""
    drawn, alone = all_of.drawn[run], float(all_of.comparison.unaligned[run])
    line = beside_line(drawn.steps, drawn.trace.answer_steps) if drawn.steps.shares else ""
    if len(all_of.drawn) > 1 and drawn.share and alone > 0:
        line += f". Words without partner: **{short_percent(alone)}** of the attention outside the sink"
    return line


def marked_unit(all_of: MatchedColumns) -> int | None:
    """Index of the marked aligned word; None where none is marked."""
    name, unit = st.session_state.get("compare_marked") or (None, None)
    return unit if name == all_of.name else None


def mark_unit(all_of: MatchedColumns, unit: int | None) -> None:
    """Marks an aligned word in all columns; unmarks it where it is marked already."""
    st.session_state.compare_marked = None if unit is None or unit == marked_unit(all_of) else (all_of.name, unit)


def _clicked(all_of: MatchedColumns, run: int, click: dict[str, Any]) -> bool:
    """Marks a clicked prompt word and returns True; False for a click on the answer, which the reader handles."""
    if click["side"] != "input":
        return False
    drawn = all_of.drawn[run]
    shown = shown_columns(drawn.words)
    picked = shown[int(click["start"]) : int(click["end"])]
    units = np.flatnonzero(np.isin(all_of.comparison.units.column[run], picked))
    mark_unit(all_of, int(units[0]) if len(units) else None)
    return True


def _places(all_of: MatchedColumns, run: int, unit: int | None) -> list[int]:
    """Positions of the marked word in this column's prompt text."""
    if unit is None:
        return []
    drawn = all_of.drawn[run]
    shown = shown_columns(drawn.words)
    return np.flatnonzero(shown == all_of.comparison.units.column[run, unit]).tolist()


def marked_values(all_of: MatchedColumns) -> None:
    """Draws the marked word's value in each column, or a hint where no word is marked."""
    unit = marked_unit(all_of)
    with st.container(key="compare_values"):
        if unit is None:
            st.caption("Click a word of a prompt: it is marked in every column and its values stand here.")
            return
        has = what_each_has(all_of.comparison, unit)
        st.text("\n".join(f"{letter}: {text}" for letter, text in zip(all_of.letters, has, strict=True)))
