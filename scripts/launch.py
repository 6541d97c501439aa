"""Starts the dashboard: checks the folders, then becomes ``streamlit run app.py``.

``make run`` calls this. It adds one thing to ``streamlit run app.py``: a folder that cannot be written is
told in one sentence before a server starts. The port is left to Streamlit, which takes 8501 or the next
free one and prints the address; choosing it here would leave a gap in which somebody else takes it.
Address, telemetry and theme stand in .streamlit/config.toml, so that both ways of starting agree.
Guarded by tests/test_setup.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Replace this process by the server; returns 1 after one sentence where that cannot work."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from core.errors import HeedError
    from core.settings import home, models_home

    try:
        home()
        models_home()
    except HeedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("Heed: starting; its address follows (Ctrl+C ends it).\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *arguments]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
