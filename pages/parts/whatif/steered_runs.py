"""What a what-if steers: the picked part, what is stored of it, and the jobs that compute it.

Guarded by tests/pages/test_whatif_steer.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core import store
from core.comparing.steering_ladder import LadderRow, ladder_rows
from core.errors import HeedError
from core.jobs import Work
from core.jobs.steering_jobs import steer_time, steer_work
from core.records import LADDER, SteeredAnswers, Steering, Trace
from core.study.quality.instructions import INSTRUCTIONS, instructions_in, verdicts_on
from core.text.picked_part import PickedPart, picked_part
from pages.parts.job_progress import Ask
from pages.parts.whatif.whatif_state import WhatIf

KEPT_STEERED = 16
"""Most records kept in memory."""
NO_TEXT = "Only words that you wrote can be read more or less: pick some in the input text."


@dataclass(frozen=True)
class Ladder:
    """A computed ladder of one part of one run."""

    part: PickedPart
    found: SteeredAnswers
    rows: tuple[LadderRow, ...]
    """In order of the factor."""
    asked: tuple[str, ...]
    """The instructions that the prompt gives, in words."""

    def row_of(self, factor: float) -> LadderRow:
        """The row of a factor."""
        return next(row for row in self.rows if row.factor == factor)


def cannot_steer(trace: Trace) -> str:
    """Why no part of this run's prompt can be read more or less, with the remedy; "" where it can be tried."""
    label = trace.model.label
    if trace.model.kind != "decoder":
        return f"{label} is no decoder: parts of its input can be hidden, but not read more or less. Choose Hidden."
    if trace.model.attention == "none":
        return f"{label} has no attention that could be turned up or down: choose Removed."
    if trace.request.token_ids is not None or not trace.tokens.proven:
        return "It is not known which tokens the words of this prompt are: write it as text, and run it again."
    if trace.steps == 0:
        return "This run has no output to set a change beside: run it again with more new tokens."
    return ""


def part_of(here: WhatIf) -> PickedPart | None:
    """The part that is picked; None where none of it is text that the user wrote."""
    return picked_part(here.trace.request, here.trace.tokens, here.units, here.picked)


def ladder_of(part: PickedPart) -> tuple[Steering, ...]:
    """The part under each factor that pages offer."""
    return tuple(Steering(part.spans, factor, name=part.name) for factor in LADDER)


def by_place(part: PickedPart, trace: Trace, factor: float, layer: int | None = None) -> tuple[Steering, ...]:
    """The part under one factor in each layer alone, or in each head of ``layer`` alone."""
    if layer is None:
        places: list[tuple[int, tuple[int, ...]]] = [(one, ()) for one in trace.model.attention_layers]
    else:
        places = [(layer, (head,)) for head in range(trace.model.heads)]
    return tuple(Steering(part.spans, factor, layers=(one,), heads=heads, name=part.name) for one, heads in places)


def stored_steered(trace: Trace, steerings: Sequence[Steering], anew: bool) -> SteeredAnswers | None:
    """What is stored of these steerings; None where there is nothing, or it does not fit the run."""
    kept, name = _kept(), (trace.id, tuple(replace(one, name="") for one in steerings), anew)
    if name not in kept:
        try:
            found = store.load_steered(trace.id, steerings, anew)
        except HeedError:
            return None  # an unreadable record counts as missing: it is computed again
        if found is None or len(found.base) != trace.steps:
            return None
        kept[name] = found
        for old in list(kept)[:-KEPT_STEERED]:
            kept.pop(old, None)
    return kept[name]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple, SteeredAnswers]:
    """The records opened last, since reading one from disk means hashing it."""
    return {}


def steer_ask(
    here: WhatIf, steerings: Sequence[Steering], anew: bool, label: str, about: str = "", **looks: Any
) -> tuple[Ask, Work]:
    """The button of that job, and its work."""
    trace = here.trace
    name = f"steer {trace.id} {anew} {[(s.spans, s.factor, s.layers, s.heads) for s in steerings]}"
    time = steer_time(trace, steerings, anew)
    key = trace.request.model
    return Ask(name, label, about, time, key.device, looks, key.name), steer_work(trace.request, steerings, anew)


def stored_ladder(trace: Trace, part: PickedPart) -> Ladder | None:
    """The ladder of a part, where it is stored."""
    found = stored_steered(trace, ladder_of(part), True)
    if found is None:
        return None
    said, marks = _verdicts(trace.id, found.run_ids, _trace=trace, _found=found)
    return Ladder(part, found, tuple(ladder_rows(found, trace, marks)), said)


@st.cache_resource(max_entries=32, show_spinner=False)
def _verdicts(
    run: str, runs: tuple[str, ...], _trace: Trace, _found: SteeredAnswers
) -> tuple[tuple[str, ...], list[list[bool | None]]]:
    """(what the prompt asks for, in words; [way][instruction] whether each answer follows)."""
    asked = instructions_in(_trace.request)
    marks = verdicts_on(_trace.request, asked, _found.answers, _found.finishes)
    said = tuple(one.text or INSTRUCTIONS[one.id].label for one in asked)
    return said, [[verdict.strict for verdict in row] for row in marks]
