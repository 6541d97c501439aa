"""The Streamlit component of the two shaded texts: a click comes back as a selection, and a page may set one.

It is registered once, on import. A click reaches Python as a trigger, is kept under ``KEY:selection`` in the session
and goes back with the next rerun, so that the texts and whatever else the page draws agree; a selection that the page
passes wins when it differs from the one passed before (a select box that was changed).
What is drawn: core/charts/reader.js, or reading_mode.js where the data has an outline. Guarded by tests/pages and
tests/browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import streamlit as st

from core.charts.reading_mode import reading_source

_JS, _CSS = reading_source()
_component = st.components.v2.component("heed_reader", html='<div class="heed-reader"></div>', css=_CSS, js=_JS)


class Selection(TypedDict):
    """Units ``start`` .. ``end`` (excluded) of one of the two texts; the whole answer is a span like any other."""

    side: str
    start: int
    end: int


def text_reader(
    data: dict[str, Any],
    *,
    key: str,
    selection: Selection | None = None,
    height: int | None = 420,
    on_pick: Callable[[dict[str, Any]], bool] | None = None,
) -> Selection | None:
    """Draws the texts of ``data`` (``shaded_texts_data``, ``reading_mode_data``); returns what is picked, or None.

    ``selection`` sets it from Python when it changes. ``height`` (pixels) is where a long text starts to scroll.
    A selection of other texts (``data["texts"]`` changed) is dropped; another method or sink keeps it.
    ``on_pick`` gets every click first; where it returns True it has handled the click, and nothing is selected.
    """
    kept, passed, seen = f"{key}:selection", f"{key}:passed", f"{key}:version"
    state = st.session_state
    if state.get(seen) != data["texts"]:
        state[kept] = None
        state[passed] = None
        state[seen] = data["texts"]
    if selection is not None and dict(selection) != state.get(passed):
        state[kept] = dict(selection)
    state[passed] = None if selection is None else dict(selection)

    def picked() -> None:
        click = state[key].picked
        if click:
            taken = on_pick is not None and on_pick(dict(click))
            state[kept] = None if taken else dict(click)

    _component(data=data | {"selection": state.get(kept), "height": height}, key=key, on_picked_change=picked)
    now = state.get(kept)
    return None if not now else Selection(side=now["side"], start=int(now["start"]), end=int(now["end"]))
