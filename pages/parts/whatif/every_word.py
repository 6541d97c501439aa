"""Knocks out every word alone, in one go, then draws each as a point: attention against effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.attention_vs_effect_plot import attention_vs_effect_chart
from core.charts.reading_texts import rows_of_answer
from core.charts.text_labels import SINK_TEXTS, significant_digits, visible_label
from core.comparing.attention_vs_effect import CORNERS, AttentionVsEffect, agreement_sentence, compare_with_effect
from core.importance import METHODS
from core.records import Probe
from core.records.probe import MODE_NAMES
from pages.parts.job_progress import Ask, job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import importance
from pages.parts.views.view_figure import csv_head, draw_chart
from pages.parts.whatif import whatif_jobs
from pages.parts.whatif.knocked_so_far import knocked_so_far
from pages.parts.whatif.whatif_files import whatif_files
from pages.parts.whatif.whatif_state import NOUNS, WhatIf

ABOUT_WAYS = (
    "The answer was less likely without it.",
    "The answer was about as likely without it. What stands twice can be missed without loss.",
    "The answer was likelier without it.",
)
ROLE_MARKS = {"system": "system message", "user": "your words", "assistant": "earlier turns", "template": "markup"}
WAY_NAMES = ("Helped", "No difference", "Hindered")
NAMED = 12
"""Most words listed for a corner of the plot."""


def every_word(here: WhatIf) -> None:
    """Draws the button with its estimate, the job, or the points."""
    st.subheader(f"Every {here.level} at once", anchor=False)
    looks = {"icon": ":material/grain:", "key": f"{here.key}:each_button"}
    ask, work = whatif_jobs.probe_ask(here, None, f"Knock out each {here.level}", **looks)
    if whatif_jobs.stored_probe(here, None) is None:
        _offer(here, ask)
    probe = job_slot(here.slot("each"), ask, work, lambda: whatif_jobs.stored_probe(here, None))
    if probe is None:
        knocked_so_far(here, here.slot("each"))
        return
    if here.trace.rows is None:
        st.info("This run has no attention rows to set beside it: only the numbers of the knock-out are there.")
        _numbers(here, probe)
        return
    _points(here, probe)


def _offer(here: WhatIf, ask: Ask) -> None:
    count, own = len(here.units), len(here.own)
    others = f", {own:,} of them yours," if own < count else ""
    took = ask.time.text if ask.time else ""
    st.caption(
        f"Knocks out each of the {count:,} {NOUNS[here.level]} that the model read{others} by itself "
        f"({MODE_NAMES[here.mode].lower()}), in one go: {took}. Then every {here.level} is a point: how "
        "much it was read, and what the answer lost without it. The result is kept with the run."
    )


def _points(here: WhatIf, probe: Probe) -> None:
    chosen, trace = here.chosen, here.trace
    with st.container(horizontal=True):
        everything = st.toggle("Markup and system message too", key=f"{here.key}:all", persist_state="session")
        per_token = st.toggle("Mean per token", key=f"{here.key}:mean", persist_state="session", help=ABOUT_MEAN)
    read = importance(trace, chosen.method, **chosen.picked, columns=here.level, rows=here.texts.rows.granularity)
    columns = np.arange(len(read.columns)) if everything else here.own
    found = compare_with_effect(read, trace, probe, columns, rows_of_answer(trace, read), per_token)
    key = f"{here.key}_points"

    def clicked() -> None:
        points = st.session_state[key]["selection"].get("word") or []
        at = [int(p["unit"]) for p in points if "unit" in p]
        if at:
            here.pick(at)

    chart = _chart(here, found, here.picked)
    draw_chart(chart, key, on_select=clicked, selection_mode="word")
    noun = NOUNS[here.level]
    st.text(agreement_sentence(found, noun))
    _corners(here, found)
    st.caption(
        f"Across: {METHODS[chosen.method].label}, {SINK_TEXTS[chosen.sink]}, as a multiple of what reading "
        f"every readable token equally would give. Up: nats that the answer loses when this {here.level} alone is "
        f"{MODE_NAMES[here.mode].lower()}. Click a point: its {here.level} is marked in the text and the answer is "
        "tinted by its effect."
    )
    name = f"heed-{trace.id[:8]}-read-effect"
    whatif_files(_chart(here, found), lambda: _csv(here, found, per_token), name, f"{here.key}_points")
    with st.expander("Every number of the knock-outs", icon=":material/table:"):
        _numbers(here, probe)


def _chart(here: WhatIf, found: AttentionVsEffect, picked: Sequence[int] = ()) -> Any:
    trace, chosen = here.trace, here.chosen
    columns = found.columns.tolist()
    roles = [ROLE_MARKS.get(here.units.roles[c], here.units.roles[c]) for c in columns]
    lines = [
        trace.model.caption,
        f"{METHODS[chosen.method].label} · {SINK_TEXTS[chosen.sink]} · {MODE_NAMES[here.mode].lower()} "
        f"{NOUNS[here.level]} · run {trace.id[:8]}",
    ]
    labels = [here.units.labels[c] for c in columns]
    lines.append(f"no difference: less than {significant_digits(found.threshold)} nats either way")
    return attention_vs_effect_chart(
        found.read,
        found.lost,
        labels,
        roles,
        picked=picked,
        units=columns,
        threshold=found.threshold,
        caption=lines,
    )


ABOUT_MEAN = "Nats a token of the answer, in place of the sum over all of it: to set beside answers of other lengths."


def _corners(here: WhatIf, found: AttentionVsEffect) -> None:
    """Draws what helped, made no difference, and hindered: each with its words, those that were read first."""
    for column, way, about in zip(st.columns(3), range(3), ABOUT_WAYS, strict=True):
        with column.container(border=True):
            st.markdown(f"**{WAY_NAMES[way]}** · {sum(len(found.members(CORNERS[at])) for at in (way, way + 3))}")
            st.caption(about)
            for label, corner in (("Read more than uniform", CORNERS[way]), ("Read less", CORNERS[way + 3])):
                mine = found.members(corner)
                words = ", ".join(f"“{visible_label(here.units.labels[c], 24)}”" for c in mine[:NAMED])
                more = f" and {len(mine) - NAMED} more" if len(mine) > NAMED else ""
                if len(mine):
                    st.markdown(f"{label}: {escape_markdown(words)}{more}")
    missing = sum(1 for c in found.corner if not c)
    if missing:
        st.caption(f"{missing} of {len(found.corner)} have no point: they cannot be removed, or were never readable.")


def _numbers(here: WhatIf, probe: Probe) -> None:
    import pandas as pd

    steps = here.trace.answer_steps
    total = probe.effect[:, steps].sum(1)
    own = here.own
    frame = pd.DataFrame(
        {"Unit": own + 1, "Text": [visible_label(here.units.labels[c], 40) for c in own], "nats": total[own]}
    )
    frame = frame.sort_values("nats", ascending=False, ignore_index=True, kind="stable")
    shown = frame.rename(columns={"nats": "Lost over the answer (nats)"})
    st.dataframe(shown, hide_index=True, key=f"{here.key}_numbers")
    name = f"heed-{here.trace.id[:8]}-knock-out-each"
    whatif_files(None, lambda: store.effect_to_csv(here.trace, probe), name, f"{here.key}_each")


def _csv(here: WhatIf, found: AttentionVsEffect, per_token: bool) -> str:
    facts: dict[str, Any] = {
        **csv_head(here.trace, here.chosen, "read x effect", sink=here.chosen.sink),
        "mode": MODE_NAMES[here.mode],
        "granularity": here.level,
        "lost": "nats a token" if per_token else "nats over the answer",
        "spearman": found.spearman,
        "n": found.n,
    }
    rows = (
        (int(c) + 1, here.units.labels[c], here.units.roles[c], x, y, corner)
        for c, x, y, corner in zip(found.columns, found.read, found.lost, found.corner, strict=True)
    )
    return store.tidy_csv(facts, ("unit", "word", "role", "multiple", "lost", "corner"), rows)
