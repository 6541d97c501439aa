"""The formats in which the two shaded texts can be taken along, for a page's downloads.

Guarded by tests/core/test_charts_shaded_files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..records import Importance
from .shaded_files import shaded_texts_png, shaded_texts_svg
from .shaded_html import shaded_texts_html
from .shaded_latex import shaded_texts_latex
from .shaded_sheet import PickedSpan
from .shaded_texts import shown_columns

TEXT_FORMATS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "PNG": (shaded_texts_png, "image/png", "The shaded texts as a picture, on white"),
    "SVG": (shaded_texts_svg, "image/svg+xml", "The shaded texts as vectors"),
    "HTML snippet": (shaded_texts_html, "text/html", "The shaded texts to paste into a page of your own; no script"),
    "LaTeX": (shaded_texts_latex, "application/x-tex", "The shaded texts for a paper; needs the package xcolor"),
}
"""{label: (what writes it, MIME type, what it is)}"""
TextFile = tuple[str, Callable[[], bytes | str], str, str]


def shaded_text_files(
    importance: Importance, selection: Mapping[str, Any] | None, sentence: str, strength: float = 1.0
) -> list[TextFile]:
    """Returns (label, what makes it, MIME type, what it is) of each format.

    ``selection`` as reader.js reports it, cut to the texts as reader.js does; None: the whole answer.
    """
    span = None
    if selection:
        units = len(importance.rows) if selection["side"] == "answer" else len(shown_columns(importance))
        start = max(0, min(int(selection["start"]), units - 1))
        span = PickedSpan(selection["side"], start, max(start + 1, min(int(selection["end"]), units)))

    def make(write: Callable[..., Any]) -> bytes | str:
        made = write(importance, span, sentence, strength=strength)
        return made if isinstance(made, str) else bytes(made.data)

    return [(label, partial(make, write), mime, about) for label, (write, mime, about) in TEXT_FORMATS.items()]
