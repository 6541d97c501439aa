"""Starts the dashboard and imports what its first page needs meanwhile, so that the first visitor waits for less.

``streamlit run app.py`` imports a page's modules only when somebody opens it: most of the time of a first visit. This
script is what ``heed app`` and ``make run`` become; options are those of ``streamlit run``. Secrets (for signing in,
see docs/sign-in.md) are read from HEED_HOME/secrets.toml where that file is there. Guarded by
tests/pages/test_warm_start.py.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from threading import Thread

FIRST = ("pages.parts.explore_page", "altair", "pandas")
"""What the page that a visitor lands on imports."""
PATIENCE = 30.0
"""Seconds within which the server must be there."""


def import_first(names: tuple[str, ...] = FIRST) -> list[str]:
    """Imports the modules of the first page once the server is there; returns those that could not be.

    A page that cannot be imported says so itself, to the visitor who opens it.
    """
    from streamlit import runtime

    end = time.monotonic() + PATIENCE
    while not runtime.exists() and time.monotonic() < end:  # its caches are made when a module is imported
        time.sleep(0.02)
    failed = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # whatever a plugin or a broken installation raises
            failed.append(name)
    return failed


def secrets_options(arguments: list[str]) -> list[str]:
    """The options that name HEED_HOME/secrets.toml; none where it is not there, or other secrets are named."""
    from core.settings import home_path

    path = home_path() / "secrets.toml"
    named = any(word.split("=")[0] == "--secrets.files" for word in arguments)
    return ["--secrets.files", str(path)] if path.is_file() and not named else []


def serve(app: Path, arguments: list[str]) -> None:
    """Becomes ``streamlit run`` of ``app``, in this process."""
    from streamlit.web import cli

    if str(app.parent) not in sys.path:
        sys.path.insert(0, str(app.parent))
    from core.leftovers import remove_leftover_files
    from pages.parts.closed_routes import close_metrics
    from pages.parts.many_threads import shorten_waits
    from pages.parts.server_log import start_server_log

    shorten_waits()
    start_server_log()
    close_metrics()
    remove_leftover_files()
    Thread(target=import_first, name="heed-warm-start", daemon=True).start()
    sys.argv = ["streamlit", "run", str(app), *secrets_options(arguments), *arguments]
    cli.main()


if __name__ == "__main__":
    serve(Path(__file__).resolve().parents[2] / "app.py", sys.argv[1:])
