"""Guess first, for teaching: hides the results of a run until three words of the input are picked as a guess.

Until then the page gets texts without any number, so that nothing can leak: no shade, no hover line, no sentence, no
chart, no download. Then the guess is shown beside the three words read most and the three that cost the answer most
when each is knocked out. A guess belongs to a run and a session. Guarded by tests/pages/test_whatif_guess.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.charts.reading_texts import rows_of_answer
from core.charts.shaded_texts import shaded_texts_data, shown_columns
from core.charts.text_labels import visible_label
from core.comparing.attention_vs_effect import GUESSES, is_word, overlap_sentence, strongest
from core.importance import METHODS, answer_mean
from core.records import Probe, Trace
from pages.parts.job_progress import job_slot
from pages.parts.reader_component import text_reader
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.whatif import whatif_jobs
from pages.parts.whatif.whatif_state import UNREAD, WhatIf, empty_units, whatif_state, with_hint

ON = "guess_first"
ABOUT_GUESS = (
    "For class: the shades, the sentence and every chart of a run stay hidden until three words of the input are "
    "picked; then the guess stands beside attention and knock-out."
)


def guess_switch() -> None:
    """Draws the toggle; it stays on for the runs that follow."""
    st.toggle("Guess first", key=ON, help=ABOUT_GUESS, persist_state="session")


def _guess(trace: Trace) -> list[int]:
    """The words guessed for this run, as column indices; a list in the session, which callers change in place."""
    return st.session_state.setdefault("guesses", {}).setdefault(trace.id, [])


def is_guessing(trace: Trace) -> bool:
    """True while the results of the run must stay hidden."""
    return bool(st.session_state.get(ON)) and len(_guess(trace)) < words_to_guess(trace)


def words_to_guess(trace: Trace) -> int:
    """Number of words to guess: three, or as many as the prompt has."""
    return min(GUESSES, len(_words(trace)))


def _level(trace: Trace) -> str:
    return "word" if trace.tokens.proven else "token"


def _words(trace: Trace) -> list[int]:
    """Columns of the input that can be guessed: the user's own words, no punctuation."""
    units = empty_units(trace, _level(trace))
    return [int(c) for c in shown_columns(units) if is_word(units.columns.labels[c])]


def ask_guess(trace: Trace, present: bool = False) -> None:
    """Draws the two texts without shades, and a box; words clicked in the input are the guess."""
    words = empty_units(trace, _level(trace))
    options, shown, kept = _words(trace), shown_columns(words), _guess(trace)

    def clicked(selection: dict[str, Any]) -> bool:
        at = np.arange(int(selection["start"]), int(selection["end"]))
        if selection["side"] == "input":
            _toggle(kept, [int(c) for c in shown[at[at < len(shown)]] if c in options], words_to_guess(trace))
        return True

    data = shaded_texts_data(words, present=present, sentence=False, marks=kept)
    data = with_hint(data, "Click a word to guess it") | UNREAD | {"caption": ""}
    text_reader(data, key="guess", height=None if present else 360, on_pick=clicked)
    left = words_to_guess(trace) - len(kept)
    with st.container(key="said"):
        more = "more word" if left == 1 else "more words" if kept else "words"
        st.text(
            f"Guess first: which {words_to_guess(trace)} words of the input did the model read most, and which would "
            f"the answer miss most? Pick {left} {more}."
        )
    names = {c: f"{n + 1} · {visible_label(words.columns.labels[c], 40)}" for n, c in enumerate(options)}
    box = f"guess:{trace.id}"
    st.session_state[box] = list(kept)

    def moved() -> None:
        kept[:] = st.session_state[box]

    st.multiselect(
        "Your guess",
        options,
        key=box,
        format_func=lambda c: names[c],
        max_selections=words_to_guess(trace),
        on_change=moved,
    )


def _toggle(kept: list[int], columns: list[int], most: int) -> None:
    for column in columns:
        if column in kept:
            kept.remove(column)
        elif len(kept) < most:
            kept.append(column)


def guess_result(trace: Trace, chosen: Choices) -> None:
    """Draws the guess beside the three words read most and the three that cost most; nothing without a guess."""
    kept = _guess(trace)
    if not st.session_state.get(ON) or not kept:
        return
    with st.container(border=True, key="guessed"):
        words = empty_units(trace, _level(trace))
        columns, labels = np.array(_words(trace), int), words.columns.labels
        st.text("Your guess: " + ", ".join(f"“{visible_label(labels[c], 40)}”" for c in kept))
        _by_attention(trace, chosen, kept, columns)
        _by_knock_out(trace, chosen, kept, columns)
        st.button("Guess again", icon=":material/restart_alt:", type="tertiary", on_click=kept.clear, key="guess_again")


def _by_attention(trace: Trace, chosen: Choices, kept: list[int], columns: np.ndarray) -> None:
    if trace.rows is None:
        st.caption("This run has no attention to set the guess beside.")
        return
    found = importance(trace, chosen.method, **chosen.picked, columns=_level(trace), rows=_level(trace))
    rows = rows_of_answer(trace, found)
    if len(rows):
        best = strongest(answer_mean(found, rows)[0][columns], columns)
        by = f"read most ({METHODS[chosen.method].label})"
        st.text(overlap_sentence(kept, best, [visible_label(t, 40) for t in found.columns.labels], by))


def _by_knock_out(trace: Trace, chosen: Choices, kept: list[int], columns: np.ndarray) -> None:
    spot = _spot(trace, chosen)
    looks = {"key": "guess_each", "icon": ":material/grain:"}
    ask, work = whatif_jobs.probe_ask(spot, None, "Knock out each word", **looks)
    probe = job_slot(spot.slot("each"), ask, work, lambda: _each(spot))
    if probe is None:
        return
    lost = probe.effect[:, trace.answer_steps].sum(1)[columns]
    by = "whose loss costs the answer most (each knocked out alone)"
    st.text(overlap_sentence(kept, strongest(lost, columns), [visible_label(t, 40) for t in probe.units.labels], by))


def _each(spot: WhatIf) -> Probe | None:
    return whatif_jobs.stored_probe(spot, None, "mask") or whatif_jobs.stored_probe(spot, None, "remove")


def _spot(trace: Trace, chosen: Choices) -> WhatIf:
    """The what-if with which the guess is compared: word by word."""
    from dataclasses import replace

    return whatif_state(trace, replace(chosen, level=_level(trace)), "guess")
