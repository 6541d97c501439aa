"""Runs the calls of docs/gallery.md in their order and draws its pictures anew: ``make gallery``.

Each picture of the page is the ``chart`` of the block above it. Needs the small models (``make demo``).

    python -m scripts.make_gallery [PART]     only the pictures whose name contains PART
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gallery.md"
PIECES = re.compile(r"```python\n(?P<code>.*?)```|!\[[^\]]*\]\((?P<picture>gallery/[\w-]+\.png)\)", re.DOTALL)
SAVE = """
def save_picture(chart, path):
    from pathlib import Path
    from core.charts import png
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(png(chart, 1.5).data)
"""


def gallery_script(only: str = "") -> str:
    """Returns the page's calls as one script that saves the pictures whose name contains ``only``."""
    lines = [SAVE]
    for piece in PIECES.finditer(PAGE.read_text(encoding="utf-8")):
        if piece["code"]:
            lines.append(piece["code"])
        elif only in piece["picture"]:
            lines.append(f"save_picture(chart, {str(PAGE.parent / piece['picture'])!r})")
    return "\n".join(lines)


def main(only: str = "") -> int:
    """Runs the script in a process of its own; returns its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.py"
        path.write_text(gallery_script(only), encoding="utf-8")
        env = os.environ | {"PYTHONPATH": str(PAGE.parent.parent)}
        return subprocess.run([sys.executable, str(path)], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
