"""Which browser session this is, and whether a session still has a browser; the queue frees places of closed tabs.

Streamlit keeps a session for two minutes after its connection broke, so that a browser may come back to it; only one
that is connected is *active*. A page that is loaded again is a new session, which ``job_progress`` tells the job.
Guarded by tests/pages/test_session_presence.py.
"""

from __future__ import annotations

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx


def session_name() -> str:
    """Returns the name of the session whose page is being drawn; "" outside a page."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def is_present(session: str) -> bool:
    """Returns whether a browser is connected to ``session`` now; True where no server runs."""
    return not runtime.exists() or bool(runtime.get_instance().is_active_session(session))
