"""Draws the third way of the what-if: the picked part is read more or less, and the answer is written again.

The whole ladder of factors is computed in one go; from then on the slider and the charts move without waiting.
Guarded by tests/pages/test_whatif_steer.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core import store
from core.charts.text_labels import percent_text, visible_label
from core.comparing import word_diff
from core.comparing.steering_ladder import LadderRow, ladder_sentence
from core.records import Trace, factor_text
from pages.parts.job_progress import job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.two_answers import diff_markdown
from pages.parts.whatif import steered_runs
from pages.parts.whatif.dose_view import dose_view
from pages.parts.whatif.offer_example import offer_example
from pages.parts.whatif.steered_runs import Ladder
from pages.parts.whatif.whatif_state import WhatIf
from pages.parts.whatif.where_it_works import where_it_works

if TYPE_CHECKING:
    import pandas as pd

ABOUT_LADDER = (
    "The odds of reading these words are multiplied at every layer and head while the model reads and writes; all else "
    "stays. Each factor writes an answer of its own, which is kept as a run."
)
GIVEN = (
    "This answer was given, not written by the model: below, × 1 is what the model writes by itself, and the given "
    "answer is scored under each factor."
)
ENDED = {"end": "by itself", "stop": "at your stop text", "length": "cut off", "given": "given"}


def turn_up_down(here: WhatIf) -> None:
    """Draws the button, the job, or the ladder of the picked part."""
    trace = here.trace
    if refused := steered_runs.cannot_steer(trace):
        st.info(escape_markdown(refused), icon=":material/info:")
        return
    offer_example(here)
    part = steered_runs.part_of(here) if here.picked else None
    if part is None:
        st.caption(steered_runs.NO_TEXT if here.picked else "Pick words above, or add a whole part of the prompt.")
        return
    if trace.request.scored:
        st.caption(GIVEN)
    looks: dict[str, Any] = {"type": "primary", "icon": ":material/tune:", "key": f"{here.key}:steer_go"}
    steerings = steered_runs.ladder_of(part)
    ask, work = steered_runs.steer_ask(here, steerings, True, "Turn it up and down", ABOUT_LADDER, **looks)
    ladder = steered_runs.stored_ladder(trace, part)
    if ladder is None:
        st.caption(
            f"Writes the answer with {escape_markdown(part.phrase)} read "
            f"{', '.join(factor_text(s.factor) for s in steerings if s.changes)} times as much, in one go: "
            f"{ask.time.text if ask.time else ''}. Then a slider moves through them without waiting."
        )
    if job_slot(here.slot("steer"), ask, work, lambda: ladder) is not None and ladder is not None:
        _moving(here, ladder)
        where_it_works(here, part)


def of_plain_runs(trace: Trace) -> None:
    """Says that a steered run has no what-if of its own, with a link to its plain run where that is stored."""
    st.info(
        escape_markdown(
            f"This run is itself steered ({trace.model.steered}). What if starts from the plain run of the same "
            "prompt: open it here, or clear the steering above and press Run."
        ),
        icon=":material/info:",
    )
    if store.has_run(plain := replace(trace.request, steering=()).id):
        query = {"run": plain, "view": "whatif"}
        st.page_link("pages/explore.py", label="Open the plain run", icon=":material/visibility:", query_params=query)


@st.fragment
def _moving(here: WhatIf, ladder: Ladder) -> None:
    """Draws all that moves with the slider: a part of the page of its own, so that nothing else is drawn anew."""
    factor = factor_slider(here, ladder)
    answer_under(ladder, factor, here.key)
    with st.container(key=f"said_{here.key}_steered"):
        st.text(ladder_sentence(ladder.rows, ladder.rows.index(ladder.row_of(factor)), ladder.part.phrase))
    _table(here, ladder)
    dose_view(here, ladder, factor)


def factor_slider(here: WhatIf, ladder: Ladder) -> float:
    """Draws the slider over the factors and returns the one that is picked."""
    factors = [row.factor for row in ladder.rows]
    key = f"{here.key}:factor"
    if st.session_state.get(key) not in factors:
        st.session_state[key] = factors[-1]
    return st.select_slider(
        f"How many times as much {escape_markdown(ladder.part.phrase)} is read",
        factors,
        key=key,
        format_func=lambda f: f"{f:g} (plain)" if f == 1 else factor_text(f),
        help="1 is the run as it is. The arrow keys move it, once it was clicked.",
        persist_state="session",
    )


def present_ladder(here: WhatIf) -> None:
    """Draws the ladder of the picked part for present mode: large, and the left and right arrow keys walk it."""
    part = steered_runs.part_of(here) if here.picked and not here.trace.request.steering else None
    ladder = None if part is None else steered_runs.stored_ladder(here.trace, part)
    if ladder is None:
        st.info("There is no ladder to walk yet: leave present mode, open What if, and turn a part up and down there.")
        return
    factors, key = [row.factor for row in ladder.rows], f"{here.key}:factor"
    factor = st.session_state.get(key)
    if factor not in factors:
        factor = st.session_state[key] = 1.0

    def step(by: int) -> None:
        now = st.session_state[key]  # not what is drawn: a key pressed again at once goes one step further
        at = min(max(factors.index(now) + by, 0), len(factors) - 1)
        st.session_state[key] = factors[at]

    with st.container(horizontal=True, vertical_alignment="center", key="factor_steps"):
        st.button("Less", key="factor_less", type="tertiary", shortcut="Left", on_click=step, args=(-1,))
        names = [f"**× {factor_text(f)}**" if f == factor else f":gray[{factor_text(f)}]" for f in factors]
        st.markdown(" · ".join(names), width="content")
        st.button("More", key="factor_more", type="tertiary", shortcut="Right", on_click=step, args=(1,))
    answer_under(ladder, factor, here.key)
    with st.container(key="said"):
        st.text(ladder_sentence(ladder.rows, factors.index(factor), ladder.part.phrase))


def answer_under(ladder: Ladder, factor: float, key: str) -> None:
    """Draws the answer at a factor, large, with what the plain run's answer does not have marked."""
    row, plain = ladder.row_of(factor), ladder.row_of(1.0)
    pieces = [(p.kind != "same", p.b) for p in word_diff(plain.answer, row.answer)]
    with st.container(border=True, key=f"steered_{key}"):
        st.caption(_facts(row))
        text = diff_markdown(pieces if row is not plain else [(False, row.answer)], "+", "blue")
        st.markdown(text or f"*{_empty(row)}*")
    if row is not plain and row.answer.strip():
        st.caption(_marked(row.answer == plain.answer, any(new and text.strip() for new, text in pieces)))


def _marked(same: bool, new: bool) -> str:
    """What the marks of an answer say."""
    if same:
        return "Word for word the plain run’s answer."
    if not new:
        return "It has fewer words than the plain run’s answer, and none that is not in that one too."
    return "On blue ground after + is what the plain run’s answer does not have."


def _empty(row: LadderRow) -> str:
    return "The answer is empty: the model ended at once." if row.finish == "end" else "The answer is empty."


def _facts(row: LadderRow) -> str:
    parts = [row.name, f"{row.tokens} token{'' if row.tokens == 1 else 's'}", f"ended {ENDED[row.finish]}"]
    if row.finish == "length":
        parts[-1] = "cut off by the token limit"
    return " · ".join([*parts, *([row.told] if row.asked else [])])


def _table(here: WhatIf, ladder: Ladder) -> None:
    """Draws one line a factor; each links to its run."""
    if ladder.asked:
        st.caption(f"Instructions that can be verified: {escape_markdown('; '.join(ladder.asked))}")
    config: dict[str, Any] = {
        "Answer": st.column_config.TextColumn(width=300),
        "Share it got": st.column_config.TextColumn(width=100),
    }
    config |= {"Run": st.column_config.LinkColumn(display_text="Open", help="Opens the run of this factor on Explore")}
    st.dataframe(ladder_table(ladder), hide_index=True, key=f"{here.key}_ladder", column_config=config)
    st.caption(
        "Costs: what the plain model, unsteered, gives each answer; the lower, the further from what it would write. "
        "Share: of all attention while the new answer was written, over all layers and heads."
    )


def ladder_table(ladder: Ladder) -> pd.DataFrame:
    """The rows of a ladder as they are shown."""
    import pandas as pd

    rows = ladder.rows
    columns: dict[str, list[Any]] = {
        "Read": [row.name for row in rows],
        "Answer": [visible_label(row.answer, 120) if row.answer.strip() else "(empty)" for row in rows],
        "Followed": [row.said for row in rows],
        "Tokens": [row.tokens for row in rows],
        "Ended": [ENDED[row.finish] for row in rows],
        "Costs (nats a token)": [round(row.plain, 3) for row in rows],
        "Share it got": [percent_text(row.new_share) for row in rows],
        "Run": [f"/explore?run={row.run_id}" if store.has_run(row.run_id) else "" for row in rows],
    }
    if not ladder.asked:
        columns.pop("Followed")
    return pd.DataFrame(columns)
