"""Times a rerun of Explore on the server after a click on a word, for a run of 1,000 input tokens and 200 steps.

The page runs in Streamlit's AppTest in this process; what is told is processor time, which other work on the machine
hardly changes, and it includes what AppTest adds (it reads every message that a browser would get). The run is real
and made once beforehand, in a folder of its own.
"""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VIEWS = ("heatmap", "over", "heads", "table", "contrast", "whatif")
CLICKS = 9
STEPS = 200
SENTENCE = "The garden behind the old house had a pear tree, two cherry trees and a small pond with orange fish. "
QUESTION = "Write a long story about the garden."


def rerunning(say: Callable[[str], None], clicks: int = CLICKS) -> dict[str, float]:
    """Prints and returns {view: median milliseconds of processor time} of a rerun after a click."""
    from streamlit.testing.v1 import AppTest

    home, shown = os.environ.get("HEED_HOME"), logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # outside of a server, Streamlit warns of every call
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HEED_HOME"] = folder
            app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
            app.query_params["run"] = _stored_run()
            app.run()
            return {view: _median(app, view, clicks, say) for view in VIEWS}
    finally:
        logging.disable(shown)
        os.environ.pop("HEED_HOME", None)
        if home is not None:
            os.environ["HEED_HOME"] = home


def _stored_run() -> str:
    from core import run
    from core.models.catalogue import DEFAULT_MODEL

    words = (SENTENCE * 60).split()[:830]
    return str(run(DEFAULT_MODEL, f"{' '.join(words)} {QUESTION}", max_new_tokens=STEPS).id)


def _median(app: Any, view: str, clicks: int, say: Callable[[str], None]) -> float:
    app.session_state["chart"] = view
    app.run()
    spent = []
    for i in range(clicks + 1):  # the first click of a view fills caches
        app.session_state["reader:selection"] = {"side": "answer", "start": 10 + i, "end": 11 + i}
        began = time.process_time()
        app.run()
        spent.append(time.process_time() - began)
        if app.exception:
            raise RuntimeError(app.exception[0].message)
    found = 1000 * statistics.median(spent[1:])
    say(f"{'rerun after a click, ' + view:44} {found:6.0f} ms of processor time, at most {1000 * max(spent[1:]):.0f}")
    return found
