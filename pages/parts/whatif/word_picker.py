"""Picks the words to knock out: clicks in the text, a box for keyboard and touch, whole sentences or segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.charts.shaded_texts import shown_columns
from core.charts.text_labels import visible_label
from core.text.units import units
from pages.parts.whatif.whatif_state import STEER, WhatIf

HOW = {
    "mask": "Hidden (attention 0, positions kept)",
    "remove": "Removed (prompt written without them)",
    STEER: "Turned up or down (read 1/8 to 8 times as much)",
}
ABOUT_MODE = (
    "Two ways to do without a word, and one to change how much it is read. **Hidden**: no other token can attend to "
    "it, but its place stays, so that everything else keeps its position. **Removed**: the prompt is written anew "
    "without it. The second changes the positions of all that follows and may leave an odd sentence; the first makes "
    "an input that the model never met in training. **Turned up or down**: the odds of reading the words are "
    "multiplied by a factor, at every layer and head, and the answer is written again."
)


def take_click(here: WhatIf, selection: dict[str, Any]) -> bool:
    """Toggles the units of a click or drag in the input text; True where it was in the input text."""
    if selection.get("side") != "input":
        return False
    here.toggle(here.behind(selected_columns(here, selection)))
    return True


def selected_columns(here: WhatIf, selection: dict[str, Any]) -> list[int]:
    """Columns of ``texts`` that a selection in the input text covers."""
    shown = shown_columns(here.texts)
    at = np.arange(int(selection["start"]), int(selection["end"]))
    return shown[at[at < len(shown)]].tolist()


def word_picker(here: WhatIf) -> None:
    """Draws the boxes for words and whole parts of the prompt, and the choice of mode."""
    state = st.session_state
    state[f"{here.key}:mode"] = here.way
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _words(here)
        _parts(here)
    st.radio(
        "What becomes of them",
        list(HOW),
        key=f"{here.key}:mode",
        horizontal=True,
        format_func=lambda m: HOW[m],
        help=ABOUT_MODE,
        persist_state="session",
    )


def _words(here: WhatIf) -> None:
    box = f"{here.key}:box"
    options = [int(c) for c in here.own]
    names = {c: f"{n + 1} · {visible_label(here.units.labels[c], 40)}" for n, c in enumerate(options)}
    st.session_state[box] = [c for c in here.picked if c in names]

    def moved() -> None:
        here.pick(st.session_state[box])

    st.multiselect(
        "Turn up or down" if here.way == STEER else "Knock out",
        options,
        key=box,
        format_func=lambda c: names[c],
        on_change=moved,
        placeholder="Click words in the text above, or choose them here",
        help="The same as clicks in the input text; drag there to take several words.",
    )


def _parts(here: WhatIf) -> None:
    """Draws a select box that adds a whole sentence or segment."""
    bundles = _bundles(here)
    if len(bundles) < 2 and here.level != "token":
        bundles = {"Everything you wrote": [int(c) for c in here.own]} if len(here.own) > 1 else {}
    if not bundles:
        return
    box = f"{here.key}:part"

    def chosen() -> None:
        name = st.session_state[box]
        if name in bundles:
            here.pick({*here.picked, *bundles[name]})
        st.session_state[box] = None

    label, about = "Add a whole part", "Sentence or segment"
    st.selectbox(label, list(bundles), index=None, key=box, on_change=chosen, placeholder=about, width=240)


def _bundles(here: WhatIf) -> dict[str, list[int]]:
    """{name: units} of each segment and each sentence of the user's texts."""
    trace = here.trace
    if not trace.tokens.proven:
        return {}
    out: dict[str, list[int]] = {}
    own = set(here.own.tolist())
    for level in ("segment", "sentence"):
        if level == here.level or (level == "segment" and not trace.request.segments):
            continue
        parts = units(trace.tokens, level, range(trace.prompt_length), trace.request.segments)
        for i, label in enumerate(parts.labels):
            mine = here.units.unit[np.isin(here.units.token, parts.tokens_of(i))]
            columns = sorted(own & set(mine.tolist()))
            if columns and parts.start[i] >= 0:
                text = label if level == "segment" else f"“{visible_label(label, 48)}”"
                out[f"{level.capitalize()} {text}"] = columns
    return out
