"""Download buttons of one chart of the what-if; each file is made when its button is pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.charts import picture_files


def whatif_files(chart: Any, csv: Callable[[], str], name: str, key: str) -> None:
    """Draws buttons for PNG, SVG and PDF of ``chart`` and CSV of its numbers."""
    kinds: list[tuple[str, Callable[[], bytes | str], str]] = [
        ("PNG", lambda: picture_files.png(chart).data, "image/png"),
        ("SVG", lambda: picture_files.svg(chart).data, "image/svg+xml"),
        ("PDF", lambda: picture_files.pdf(chart).data, "application/pdf"),
    ]
    made = [] if chart is None else kinds
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_files"):
        st.caption("Download", width="content")
        for label, make, mime in [*made, ("CSV", csv, "text/csv")]:
            st.download_button(
                label, make, f"{name}.{label.lower()}", mime, key=f"{key}_{label}", on_click="ignore", type="tertiary"
            )
