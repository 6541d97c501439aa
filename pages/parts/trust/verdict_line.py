"""The line below a picture that says what is known of its method, with the way to the page Trust."""

from __future__ import annotations

import streamlit as st

from pages.parts.markdown_escape import escape_markdown


def show_verdict(said: str) -> None:
    """Draws the sentence ``said`` and a link."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(escape_markdown(said))
        st.page_link("pages/trust.py", label="Trust", icon=":material/fact_check:", width="content")
