"""Links on Explore: back to the findings a run was opened from, with the same filter, and to its neighbours there."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import store


def back_link(run: str) -> None:
    """Draws the links where ``run`` was opened from Findings, or reached from such a run; else nothing."""
    kept: Any = st.session_state.get("findings_back")
    if not kept or not run:
        return
    ids = {r: c for c, r in kept["steps"]}
    cell = kept["query"].get("cell", "") if run == kept["run"] else ids.get(run, "")
    if not cell:
        return
    from core.study.findings.run_ranking import neighbour_runs  # brings pandas, which no other link needs

    _, before, after = neighbour_runs([c for c, _ in kept["steps"]], cell)
    with st.container(horizontal=True, vertical_alignment="center", key="findings_way"):
        query = kept["query"] | {"cell": cell}
        page = kept.get("page", "findings")
        label = f"Back to {page.capitalize()}"
        st.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_back:", query_params=query)
        runs = dict(kept["steps"])
        for label, icon, other in (
            ("Previous run", ":material/chevron_left:", before),
            ("Next run", ":material/chevron_right:", after),
        ):
            if other:
                _link(label, icon, runs[other], kept["query"] | {"cell": other})


def _link(label: str, icon: str, run: str, query: dict[str, str]) -> None:
    """Draws a link to the run where it is stored, else to Findings, where it can be computed again."""
    if store.has_run(run):
        st.page_link("pages/explore.py", label=label, icon=icon, query_params={"run": run})
    else:
        st.page_link(
            "pages/findings.py", label=label, icon=icon, query_params=query, help="Not computed yet: on Findings"
        )
