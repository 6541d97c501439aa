"""Offers the example of a steered run that comes with Heed, computed before: one click, before anything was run.

Guarded by tests/pages/test_whatif_steer.py.
"""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.records import Steering
from core.store.steering_example import SteeringExample, import_steering_example
from pages.parts.explore_address import pass_over_linked_run
from pages.parts.frame import APP_FOLDER
from pages.parts.markdown_escape import escape_markdown
from pages.parts.whatif.whatif_state import WhatIf


@st.cache_resource(show_spinner=False)
def _example() -> SteeringExample | None:
    try:
        return import_steering_example(APP_FOLDER / "examples" / "steering")
    except HeedError:
        return None  # an installation without it offers nothing


def offer_example(here: WhatIf) -> None:
    """Draws the button that opens the example, on Explore; on the example's own run how it was chosen."""
    found = _example() if here.key == "whatif" else None
    if found is None:
        return
    if here.trace.id == found.run_id:
        st.caption(escape_markdown(found.about))
        if not here.picked:
            here.pick(_units_of(here, found.found.steerings[0]))
            st.rerun()
        return
    if not here.picked:
        label = "See an example, already computed"
        st.button(label, icon=":material/lightbulb:", key="steer_example", on_click=_open, args=(found.run_id,))


def _open(run_id: str) -> None:
    """Shows the example's run with its What if."""
    state = st.session_state
    import_steering_example(APP_FOLDER / "examples" / "steering")  # where somebody deleted it meanwhile
    pass_over_linked_run()
    state.update(shown=None, own=None, error="", request=None, opened=run_id, chart="whatif")
    state["whatif:mode"] = "steer"


def _units_of(here: WhatIf, one: Steering) -> list[int]:
    """The units of the prompt that the steered part is made of."""
    units = here.units
    return [
        u
        for u in range(len(units))
        for message, start, end in one.spans
        if int(units.message[u]) == message and start <= int(units.start[u]) and int(units.end[u]) <= end
    ]
