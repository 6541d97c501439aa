"""Draws how well importance predicts which answers succeed, beside predictors that use no importance."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.study.column_labels import column_label
from core.study.findings.cache import findings_name
from core.study.findings.figures import SCHEMES, prediction_figure
from core.study.findings.source import OpenedStudy
from pages.parts.findings import findings_jobs
from pages.parts.findings.findings_figure import kept_figure, show_figure
from pages.parts.markdown_escape import escape_markdown

TALLEST_LIST = 420


def prediction_section(opened: OpenedStudy, found: Any) -> None:
    """Draws the section "Predicting success"."""
    st.header("Predicting success", anchor=False, divider="gray")
    st.markdown(
        "Does importance predict which answers succeed, on prompts held out from training? Beside it: predictors that "
        "use no importance."
    )
    if not len(found.prediction):
        st.caption("Not computed yet for these runs.")
        findings_jobs.predict_button(opened)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        outcomes = list(dict.fromkeys(found.prediction["outcome"]))
        outcome = st.selectbox("Outcome", outcomes, key="findings_outcome", format_func=column_label)
        own = found.prediction[found.prediction["outcome"] == outcome]
        schemes = list(dict.fromkeys(own["scheme"]))
        scheme = st.segmented_control(
            "Tested on",
            schemes,
            default=schemes[0],
            required=True,
            key="findings_scheme",
            format_func=lambda s: SCHEMES.get(s, s.capitalize()),
        )
        within = st.toggle(
            "Same task and structure only",
            key="findings_within",
            help="Compares only runs of the same task and structure, where task and structure alone can tell nothing.",
        )
    asked = ("prediction", str(outcome), str(scheme), within)
    drawn = kept_figure(
        findings_name(opened), asked, lambda: prediction_figure(found.prediction, str(outcome), str(scheme), within)
    )
    show_figure(drawn, "findings_prediction")
    few = own.loc[own["verdict"] == "too few prompts", "why"]
    for line in dict.fromkeys(str(w) for w in few.dropna() if w):
        st.caption(f":material/info: {escape_markdown(line)}")
    with st.expander("All predictions as a table"):
        shown = found.prediction.assign(outcome=found.prediction["outcome"].map(column_label))
        st.dataframe(shown, hide_index=True, height=min(TALLEST_LIST, 38 + 35 * len(shown)), key="findings_predictions")
