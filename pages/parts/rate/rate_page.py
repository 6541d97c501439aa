"""Draws the page Rate: study, rater's name, one answer after another, and the agreement of the raters.

The answers are drawn in a fragment, so that a key press redraws one card and nothing else. Model and structure are
nowhere on the page; the file with the ratings has them, and its caption says so. Guarded by tests/pages/test_rate.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import people
from core.errors import HeedError
from core.study import ratings
from core.study.study import StudyInfo, list_studies
from pages.parts.frame import APP_FOLDER
from pages.parts.markdown_escape import escape_markdown
from pages.parts.rate import rating_card, rating_desk
from pages.parts.rate.agreement_section import agreement_section

ABOUT_RATING = (
    "Answers of a study in random order, without the model and the structure that they come from. Each rating is kept "
    "at once and becomes the study's metric *Human rating*; come back under the same name to go on."
)


def rate_page() -> None:
    """Draws the page Rate."""
    st.title("Rate", anchor=False)
    st.caption(ABOUT_RATING)
    try:
        where, who = st.columns([3, 2], vertical_alignment="bottom")
        study = _study(where)
        if study is None:
            return
        rater = _rater(who)
        if not rater:
            return
        _work(str(study.folder), rater)
        agreement_section(study)
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")


def _study(where: DeltaGenerator) -> StudyInfo | None:
    """Draws the select box and returns the study; None with a message where no study has answers yet."""
    known = {s.id: s for s in list_studies() if s.status.done}
    if not known:
        st.info("No study has answers yet: run one on the page Study, then rate its answers here.")
        if (APP_FOLDER / "pages/study.py").exists():
            st.page_link("pages/study.py", label="To the page Study", icon=":material/science:")
        return None
    asked = st.query_params.get("study", "")
    if asked in known and st.session_state.get("rate_address") != asked:
        st.session_state.rate_study = st.session_state.rate_address = asked
    if st.session_state.get("rate_study") not in known:
        st.session_state.pop("rate_study", None)

    def label(ident: str) -> str:
        return f"{known[ident].name or ident} · {known[ident].status.done:,} runs"

    picked = where.selectbox("Study", list(known), format_func=label, key="rate_study")
    if st.query_params.get("study") != picked:
        st.query_params["study"] = st.session_state.rate_address = picked
    return known[picked]


def _rater(who: DeltaGenerator) -> str:
    """Draws the box for the rater's name and returns it; "" with a message where it is empty."""
    person = people.viewer()
    if person is not None:  # nobody rates in another's name
        name = f"{person.name[: ratings.LONGEST_NAME - 7]} · {person.key[:4]}"
        who.caption(f"You rate as {escape_markdown(name)}")
        return ratings.check_rater(name)
    hint = "Your ratings are kept under it"
    name = who.text_input("Your name", key="rate_name", placeholder=hint, max_chars=ratings.LONGEST_NAME)
    if not name.strip():
        st.info("Write your name to begin: it keeps your ratings apart from those of others, to compare them.")
        return ""
    return ratings.check_rater(name)


@st.fragment
def _work(folder: str, rater: str) -> None:
    """Draws the progress and the card; a fragment, so that a press redraws only this."""
    mine = _mine(folder, rater)
    problem = mine.pop("problem", "")
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    with rating_desk.open_database(folder) as db:
        now = rating_desk.rating_desk(db, rater, mine)
        prompts = rating_desk.prompts_and_ratings(db)
    if not now.cards:
        st.info("This study has no answer to rate: its runs failed, or wrote nothing.")
        return
    st.progress(now.done / len(now.cards), f"{now.done:,} of {len(now.cards):,} answers rated")

    heard = partial(_heard, folder, rater)
    if now.now is None:
        _finished(mine, heard)
        return
    prompt = prompts.get(now.now.prompt_id, ("", None))[0]
    more = {"turn": mine.get("turn", 0), "undo": bool(now.seen), "later": now.waiting > 1}
    rating_card.rating_card(now.now, prompt, **more, heard=heard, key="rate_card")


def _heard(folder: str, rater: str, what: str, key: str, turn: int) -> None:
    """Handles a press on the card; drops one that belongs to a card no longer shown.

    So it does where another name was typed just before: the card was that of ``rater``, and the press is not.
    """
    typed = st.session_state.get("rate_name")
    if typed is not None and " ".join(typed.split()) != rater:
        return
    mine = _mine(folder, rater)
    if turn != mine.get("turn", 0):
        return
    mine["turn"] = turn + 1
    try:
        with rating_desk.open_database(folder) as db:
            rating_desk.press_button(db, rater, what, key, mine)
    except HeedError as error:
        mine["problem"] = str(error)


def _finished(mine: dict[str, Any], heard: Any) -> None:
    st.success("You have rated every answer of this study. Thank you!", icon=":material/done_all:")
    again = ("undo", "", mine.get("turn", 0))
    st.button("Undo the last one", icon=":material/undo:", key="rate_undo", on_click=heard, args=again)


def _mine(folder: str, rater: str) -> dict[str, Any]:
    """The session's state of one rater's work on one study."""
    every: dict[str, dict[str, Any]] = st.session_state.setdefault("rate_desks", {})
    return every.setdefault(f"{folder} {rater}", {})
