"""Draws where steering works: each layer alone reads the picked part more, then each head of a picked layer alone.

Guarded by tests/pages/test_whatif_steer.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.answer_effect_bars import answer_words
from core.charts.place_effects import place_effects_chart
from core.charts.text_labels import visible_label
from core.comparing.steering_ladder import word_logprobs
from core.records import LADDER, SteeredAnswers, factor_text
from core.text.picked_part import PickedPart
from pages.parts.job_progress import job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import draw_chart
from pages.parts.whatif import steered_runs
from pages.parts.whatif.dose_view import word_choice
from pages.parts.whatif.whatif_files import whatif_files
from pages.parts.whatif.whatif_state import WhatIf

PLACE_FACTORS = tuple(f for f in LADDER if f != 1)
STRONGEST = LADDER[-1]
ABOUT_PLACES = (
    "The original answer is kept and scored again while one layer alone reads the part that many times as much; every "
    "other layer reads as by itself."
)


def where_it_works(here: WhatIf, part: PickedPart) -> None:
    """Draws the strip of layers, or the button that computes it, and below it the heads of a picked layer."""
    st.subheader("Where does it work?", anchor=False)
    st.caption(ABOUT_PLACES)
    key = here.key
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = list(PLACE_FACTORS)
        state = st.session_state
        state.setdefault(f"{key}:place_factor", STRONGEST)
        factor = st.selectbox(
            "Read … times as much", options, key=f"{key}:place_factor", format_func=factor_text, width=180
        )
        whole = st.toggle("One word of the answer", key=f"{key}:place_one")
        word = word_choice(here, f"{key}:place_word") if whole else None
    found = _places(here, part, float(factor), None)
    if found is None:
        return
    layers = [s.layers[0] for s in found.steerings]
    _strip(here, part, found, layers, "layer", word)
    layer = st.selectbox(
        "Heads of layer",
        layers,
        index=None,
        key=f"{key}:place_layer",
        placeholder="Click a bar, or choose a layer",
        width=260,
    )
    if layer is None:
        return
    heads = _places(here, part, float(factor), layer)
    if heads is not None:
        _strip(here, part, heads, [s.heads[0] for s in heads.steerings], "head", word, layer)


def _places(here: WhatIf, part: PickedPart, factor: float, layer: int | None) -> SteeredAnswers | None:
    """What each layer (or head of ``layer``) does alone; None while it is not there, with the button."""
    steerings = steered_runs.by_place(part, here.trace, factor, layer)
    label = f"Try each of {len(steerings)} layers" if layer is None else f"Try each head of layer {layer}"
    looks = {"icon": ":material/layers:", "key": f"{here.key}:place_go_{'layers' if layer is None else 'heads'}"}
    ask, work = steered_runs.steer_ask(here, steerings, False, label, **looks)
    slot = here.slot("layers" if layer is None else "heads")
    return job_slot(slot, ask, work, lambda: steered_runs.stored_steered(here.trace, steerings, False))


def _strip(
    here: WhatIf,
    part: PickedPart,
    found: SteeredAnswers,
    places: list[int],
    kind: str,
    word: int | None,
    layer: int | None = None,
) -> None:
    """Draws the bars, what stands out among them, and the files."""
    trace, words, key = here.trace, answer_words(here.trace), f"{here.key}_{kind}s"
    changes = word_logprobs(found.logprobs - found.base, trace, words, word)
    what = "the answer" if word is None else f"“{visible_label(words.labels[word], 24)}”"
    factor = factor_text(found.steerings[0].factor)
    chart = partial(
        place_effects_chart,
        places,
        changes.tolist(),
        kind=kind,
        what=what,
        picked=st.session_state.get(f"{here.key}:place_layer") if kind == "layer" else None,
        caption=[trace.model.caption, " · ".join(filter(None, (_heads_of(layer), f"run {trace.id[:8]}")))],
        title=_capital(f"{what} as one {kind} alone reads {part.phrase} {factor} times as much"),
    )
    clicks: dict[str, Any] = {"on_select": partial(_clicked, here, key), "selection_mode": "place"}
    draw_chart(chart(select="place" if kind == "layer" else None), key, **(clicks if kind == "layer" else {}))
    best = int(np.nanargmax(np.abs(changes)))
    likely = "likelier" if changes[best] > 0 else "less likely"
    told = f"Most at {kind} {places[best]}: where it alone read {part.phrase} {factor} times as much, {what} became "
    st.caption(escape_markdown(f"{told}{likely} by {abs(changes[best]):.2f} nats."))
    facts = {
        "view": f"where it works, by {kind}",
        "model": trace.model.caption,
        "run": trace.id,
        "part": part.name,
        "factor": factor,
        "what": what,
        **({} if layer is None else {"layer": layer}),
    }
    rows = list(zip(places, changes.tolist(), found.shares.tolist(), strict=True))
    name = f"heed-{trace.id[:8]}-{kind}s"
    whatif_files(chart(), lambda: store.tidy_csv(facts, (kind, "nats", "share"), rows), name, key)


def _clicked(here: WhatIf, key: str) -> None:
    """Picks the layer whose bar was clicked."""
    points = st.session_state[key]["selection"].get("place") or []
    at = [int(p["place"]) for p in points if "place" in p]
    if at:
        st.session_state[f"{here.key}:place_layer"] = at[0]


def _heads_of(layer: int | None) -> str:
    return "" if layer is None else f"heads of layer {layer}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
