"""The page Compare: presets, one rule for system messages, the columns, one Run, and what differs.

The order of work is not the order on the page: editors first (they say what is asked), then what is stored, then the
comparison over all columns, and only then the texts inside each column, since they share a scale.
Guarded by tests/pages/test_compare.py and tests/browser/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.comparing.pairs import Pair
from core.errors import HeedError
from pages.parts import progress
from pages.parts.compare import address, controls
from pages.parts.compare.asked import SLOT, Seen, awaited, collect, look, scored, shape
from pages.parts.compare.columns import LETTERS, LEVELS, MOST, Column, columns
from pages.parts.compare.editor import editor, header, taken
from pages.parts.compare.files import downloads, opener, take
from pages.parts.compare.matched import Matched, matched
from pages.parts.compare.pairs import pair_name, pair_prompts
from pages.parts.compare.presets import draw_presets, first_visit, open_runs, rule
from pages.parts.compare.readers import scale, texts, values
from pages.parts.compare.switch import view
from pages.parts.frame import examples
from pages.parts.text import escape


def compare() -> None:
    """Draws the page."""
    st.title("Compare", anchor=False)
    st.caption("Two to four runs side by side: which words of the prompt did each of them read while it answered?")
    try:
        collect()
        if not take():
            _open()
        _draw()
    except HeedError as error:
        st.error(escape(str(error)), icon=":material/error:")


def _open() -> None:
    """The columns of the address where it is a new one; of the first visit where there are none."""
    state = st.session_state
    query = {name: st.query_params[name] for name in st.query_params}
    if "runs" in query and query["runs"] != state.get("compare_address"):
        examples()
        runs, readings = address.read(query)
        state.compare_problems = open_runs(runs, readings, "edit" in query)
        state.compare_address = query["runs"]
        if query.get("level") in LEVELS:
            state.compare_level = query["level"]
    if not columns():
        first_visit()


def _draw() -> None:
    for problem in st.session_state.get("compare_problems") or ():
        st.warning(escape(problem))
    draw_presets()
    controls.system()
    pairs = pair_prompts(taken(columns()[0]).filled.prompt)[:MOST]
    bar = st.container()
    if pairs:
        places, own = _pairs(pairs)
    else:
        places = st.columns(len(columns()), gap="medium")
        own = [_column(c, letter, place) for c, letter, place in zip(columns(), LETTERS, places, strict=False)]
    with bar:
        line = st.container(horizontal=True, vertical_alignment="center", key="compare_line")
        job = line.container(width="content") if progress.current(SLOT) is None else st.container()
        with line:
            base = controls.whose(own)
            seen = own if base is None else scored(own, base)
            shared, level = controls.looks(seen)
        with job:
            controls.run(seen)
        controls.told(own)
    all_of = matched(seen, level)
    _address([s.column for s in own], level)
    _texts(seen, all_of, places, shared)
    if all_of is not None:
        values(all_of)
        _aligned(all_of)
        figure, table = view(all_of, shared)
        downloads(all_of, figure, level, table)
    opener()


def _column(column: Column, letter: str, place: DeltaGenerator) -> Seen:
    """One column with its editor."""
    policy, text = rule()
    before = look(column, letter, policy, text)
    column = before.column
    with place:
        header(column, letter, before.trace)
        now = editor(column, policy, *shape(column, before.trace))
    return before if now == column else look(now, letter, policy, text)


def _pairs(pairs: Sequence[Pair]) -> tuple[Sequence[DeltaGenerator], list[Seen]]:
    """One editor, that of the first column, and a column for each expansion of its prompt."""
    policy, text = rule()
    first = columns()[0]
    first = editor(first, policy, *shape(first, None))
    places, own = st.columns(len(pairs), gap="medium"), []
    for number, (pair, letter, place) in enumerate(zip(pairs, LETTERS, places, strict=False), 1):
        filled = replace(first.filled, prompt=pair.text)
        column = replace(first, uid=-number, filled=filled, run="", asked=None, request=None, title=pair_name(pair))
        own.append(look(column, letter, policy, text))
        with place:
            header(column, letter, own[-1].trace)
    return places, own


def _texts(seen: Sequence[Seen], all_of: Matched | None, places: Sequence[DeltaGenerator], shared: bool) -> None:
    """What each column can show, and why where it cannot."""
    at = {} if all_of is None else {d.seen.letter: i for i, d in enumerate(all_of.drawn)}
    tops = [] if all_of is None else scale(all_of, shared)
    for s, place in zip(seen, places, strict=True):
        with place:
            _told(s)
            if all_of is not None and s.letter in at:
                texts(all_of, at[s.letter], tops[at[s.letter]])


def _told(seen: Seen) -> None:
    """What this column cannot do, in one sentence."""
    if seen.missing and not seen.problem and awaited(seen.asked):
        st.info("Being run: see above.", icon=":material/hourglass_top:")
    elif seen.problem:
        old = " Below is still the run before the change." if seen.missing and seen.trace is not None else ""
        st.warning(escape(seen.problem + old), icon=":material/info:")
    elif seen.missing and seen.trace is not None:
        st.info(f"Changed since this run: press Compare.{_long(seen)}", icon=":material/info:")
    elif seen.missing:
        st.info(f"Not run yet: press Compare.{_long(seen)}", icon=":material/info:")


LONG = 2000
"""Words of a prompt that take a small model on a processor longer than people wait without being told."""


def _long(seen: Seen) -> str:
    """A sentence about a prompt that takes long to read; empty for others."""
    words = len(seen.asked.prompt.split())
    return f" Its prompt has {words:,} words: reading it may take minutes." if words >= LONG else ""


def _aligned(all_of: Matched) -> None:
    """How the prompts match, in words, and what the comparison has to say of itself."""
    comparison = all_of.comparison
    if len(all_of.drawn) > 1:
        st.caption(controls.alignment(comparison.status, all_of.letters))
    for note in comparison.notes:
        st.caption(f":material/info: {escape(controls.lettered(note, all_of.letters))}")


def _address(shown: Sequence[Column], level: str) -> None:
    """Puts the comparison into the address."""
    found = address.written(shown)
    if not found:
        return
    st.session_state.compare_address = found["runs"]
    found |= {"level": level} if level != "word" else {}
    for name in (*address.NAMES, "edit"):
        if name in found and st.query_params.get(name) != found[name]:
            st.query_params[name] = found[name]
        elif name not in found and name in st.query_params:
            del st.query_params[name]
