"""Closes the server's page of metrics, which tells anybody who asks how many visit, when, and what is cached.

Streamlit has no setting for it, and its routes are made before the first line of ``app.py`` runs. So the function that
makes this route is exchanged before the server starts, which ``heed app`` and ``make run`` do; started by
``streamlit run app.py`` the page stays open, and only what ``server.address`` lets in can ask for it. Guarded by
tests/pages/test_closed_routes.py.
"""

from __future__ import annotations

from typing import Any

METRICS = "_stcore/metrics"


def close_metrics() -> None:
    """Makes the server answer 404 at its page of metrics. Call before it starts."""
    from streamlit.web.server.starlette import starlette_app

    starlette_app.create_metrics_routes = _closed


def _closed(runtime: Any, base_url: str | None) -> list[Any]:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from streamlit.url_util import make_url_path

    def answer(request: Any) -> Any:
        return PlainTextResponse("Not here.", status_code=404)

    return [Route(make_url_path(base_url or "", METRICS), answer)]
