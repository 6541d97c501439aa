"""Runs the calls of docs/gallery.md in their order and draws its pictures anew: ``make gallery``.

Each picture of the page is the ``chart`` of the block above it. Needs the small models (``make demo``).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from core.charts.picture_files import png

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gallery.md"
PIECES = re.compile(r"```python\n(?P<code>.*?)```|!\[[^\]]*\]\((?P<picture>gallery/[\w-]+\.png)\)", re.DOTALL)


def main(only: str = "") -> None:
    """Runs every block; draws the pictures whose name contains ``only``."""
    names: dict[str, Any] = {}
    for piece in PIECES.finditer(PAGE.read_text(encoding="utf-8")):
        if piece["code"]:
            exec(compile(piece["code"], str(PAGE), "exec"), names)  # the page's own calls
        elif only in piece["picture"]:
            target = PAGE.parent / piece["picture"]
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(png(names["chart"], 1.5).data)
            sys.stdout.write(f"{piece['picture']}\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
