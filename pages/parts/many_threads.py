"""Keeps the pages of many visitors, and the model that runs beside them, from waiting for each other's locks.

Two places of one Python process where threads wait for nothing: Python's own lock, which a model's run gives up at each
operation, and the lock around Streamlit's options, which are asked for with every message to a browser. Guarded by
tests/pages/test_many_threads.py.
"""

from __future__ import annotations

import sys
from typing import Any

TURN = 0.001
"""Seconds that a thread keeps Python's lock while another waits; Python's own 0.005 is long where a run waits for it
hundreds of times a token."""


def shorten_waits() -> None:
    """Sets both for this process. Call before the server starts."""
    from streamlit import config

    sys.setswitchinterval(TURN)
    if getattr(config.get_option, "under_lock", None) is None:
        config.get_option = _without_lock(config.get_option)


def _without_lock(under_lock: Any) -> Any:
    """Returns Streamlit's ``get_option``, which reads an option that is there without the lock.

    Reading one entry of a dict is whole in Python. Options that are not there yet are asked for under the lock.
    """
    from streamlit import config

    def get_option(key: str) -> Any:
        option = (config._config_options or {}).get(key)
        return under_lock(key) if option is None else option.value

    get_option.under_lock = under_lock  # type: ignore[attr-defined]
    return get_option
