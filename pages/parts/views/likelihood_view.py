"""The view How likely: each token of the answer by its probability, with rank and the five likeliest on hover."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.charts.token_likelihood import (
    ABOUT_LIKELIHOOD,
    answer_score,
    nats,
    token_likelihood_csv,
    token_likelihood_data,
    token_likelihood_source,
)
from core.records import Trace
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import ViewFigure

_JS, _CSS = token_likelihood_source()
_component = st.components.v2.component("heed_likelihood", html='<div class="heed-likelihood"></div>', css=_CSS, js=_JS)


def likelihood_strip(trace: Trace) -> None:
    """Draws the score of the answer and its tokens, shaded by how unlikely each was."""
    score = answer_score(trace)
    if score is not None:
        st.caption(
            f"How likely this answer is to {escape_markdown(trace.model.reader)}: log-probability "
            f"**{nats(score.total)}** nats over {score.tokens} tokens, **{nats(score.mean)}** a token, perplexity "
            f"**{score.perplexity:,.2f}**."
        )
    _component(data=token_likelihood_data(trace), key="likelihood")
    st.caption(ABOUT_LIKELIHOOD)


def likelihood_view(trace: Trace, *_: Any) -> ViewFigure:
    """Draws the strip; its numbers are for download."""
    likelihood_strip(trace)
    return ViewFigure(None, lambda: token_likelihood_csv(trace), numbers=True)
