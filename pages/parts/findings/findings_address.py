"""Keeps study, filter, pair and picked run of Findings in the URL, so that Back and links restore them.

    ?study=ID&model=a,b&task=fact&structure=...&estimand=within&feature=lookback&metric=followed&cell=ID

The session holds the same under ``findings_`` and the name. What cannot be parsed is left out. Guarded by
tests/pages/test_findings.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.study.findings.source import FILTERS

PLAIN = ("study", "estimand", "feature", "metric", "cell")
ADDRESS_NAMES = (*PLAIN, *FILTERS)


def state_key(name: str) -> str:
    """The session state key of a URL parameter."""
    return f"findings_{name}"


def adopt_address() -> None:
    """Copies the parameters of a new URL into the session. Call before any widget is drawn."""
    state, query = st.session_state, _asked()
    if not query or query == state.get("findings_address"):
        return
    for name in PLAIN:
        state[state_key(name)] = query.get(name, "")
    for name in FILTERS:
        state[state_key(name)] = [part for part in query.get(name, "").split(",") if part]
    state.findings_address = query


def pass_over_address() -> None:
    """Takes the URL as adopted; for a callback whose change counts more.

    A press right after another one still comes with the URL from before the first, which would undo both.
    """
    st.session_state.findings_address = _asked()


def _asked() -> dict[str, str]:
    return {n: st.query_params[n] for n in ADDRESS_NAMES if n in st.query_params}


def current_address() -> dict[str, str]:
    """The URL parameters of what is shown now."""
    state = st.session_state
    found = {n: str(state.get(state_key(n)) or "") for n in PLAIN}
    found |= {n: ",".join(state.get(state_key(n)) or ()) for n in FILTERS}
    if found["estimand"] == "between":
        found["estimand"] = ""
    return {n: v for n, v in found.items() if v}


def write_address() -> None:
    """Writes what is shown into the URL."""
    wanted = current_address()
    for name in ADDRESS_NAMES:
        if name in wanted and st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
        elif name not in wanted and name in st.query_params:
            del st.query_params[name]
    st.session_state.findings_address = wanted


def filter_sentence(query: Mapping[str, str]) -> str:
    """The filter of these URL parameters in one line, "" where there is none."""
    return "; ".join(f"{name}: {query[name].replace(',', ', ')}" for name in FILTERS if query.get(name))
