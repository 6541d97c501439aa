"""Draws how much each rater has rated, how far raters agree, and the download of all ratings.

Guarded by tests/pages/test_rate.py.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.study import ratings
from core.study.study import StudyInfo
from core.text.spreadsheet_text import guarded_csv
from pages.parts.rate import rating_desk

AGREEMENT_COLUMNS = {
    "first": "First rater",
    "second": "Second rater",
    "n": "Rated by both",
    "equal": "Equal",
    "near": "At most 1 apart",
    "difference": "Second minus first, mean",
    "kappa": "Weighted kappa",
    "why": "Why there is no kappa",
}
SHARES = ("equal", "near")


@st.fragment
def agreement_section(study: StudyInfo) -> None:
    """Draws the expander; a fragment, so that the card does not wait for it."""
    with st.expander("Raters and their agreement", icon=":material/groups:"):
        st.button("Reload the ratings", icon=":material/refresh:", key="rate_again")
        with rating_desk.open_database(str(study.folder)) as db:
            prompts = {name: words for name, (words, _) in rating_desk.prompts_and_ratings(db).items()}
            table = ratings.rating_table(db, prompts)
        if table.empty:
            st.caption("Nobody has rated yet.")
            return
        looks = table.drop_duplicates(["card", "rater"])
        counts = looks.groupby("rater").agg(answers=("card", "size"), mean=("rating", "mean")).reset_index()
        counts.columns = pd.Index(["Rater", "Answers rated", "Mean rating"])
        st.dataframe(
            counts, hide_index=True, column_config={"Mean rating": st.column_config.NumberColumn(format="%.2f")}
        )
        _pairs(looks)
        st.download_button(
            "Ratings as CSV",
            lambda: guarded_csv(table),
            f"heed-ratings-{study.id[:8]}.csv",
            "text/csv",
            key="rate_csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.caption("The file names model and structure of each answer: open it when you have finished rating.")


def _pairs(table: pd.DataFrame) -> None:
    from core.study.statistics.rater_agreement import krippendorff_alpha, pairwise_agreement

    pairs = pairwise_agreement(table)
    if pairs.empty:
        st.caption("With a second rater, this shows how far the two agree.")
        return
    shown = pairs.assign(**{name: pairs[name] * 100 for name in SHARES}).rename(columns=AGREEMENT_COLUMNS)
    number = st.column_config.NumberColumn(format="%.2f")
    share = st.column_config.NumberColumn(format="%.0f %%")
    config = {AGREEMENT_COLUMNS[n]: share for n in SHARES} | {
        AGREEMENT_COLUMNS[n]: number for n in ("difference", "kappa")
    }
    st.dataframe(shown, hide_index=True, column_config=config)
    value, why = krippendorff_alpha(table)
    st.caption(
        f"All raters together: Krippendorff's alpha {value:.2f} (interval data; 1 is perfect, 0 is chance)."
        if not why
        else f"All raters together: no alpha yet ({why})."
    )
    st.caption(
        "Kappa is weighted by the square of the difference: 1 is perfect agreement, 0 is what their rating frequencies "
        "alone would give."
    )
