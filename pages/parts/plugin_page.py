"""Draws a plugin's page inside the frame of all pages; a HeedError in it is shown as one sentence."""

from __future__ import annotations

import streamlit as st

from core.errors import HeedError
from core.plugins import PAGES, load_plugins, plugins_enabled
from pages.parts.frame import cache_line, page_frame
from pages.parts.markdown_escape import escape_markdown


def plugin_page() -> None:
    """Draws the plugin page that ``?page=`` names in the URL."""
    load_plugins()
    name = st.query_params.get("page", "")
    page = PAGES.get(name)
    page_frame(page.label if page is not None else "Plugins")
    cache_line()
    if page is None:
        what = f"There is no page {escape_markdown(name)}" if name else "No page is named in the address"
        how = (
            "no plugin brings it" if plugins_enabled() else "plugins are switched off (HEED_PLUGINS=1 switches them on)"
        )
        st.info(f"{what}: {how}.")
        return
    try:
        page.draw()
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
