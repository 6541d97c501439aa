"""Sets data by a Typst template as SVG, PNG or PDF: paragraphs, every script, and no network.

Typst is one wheel that breaks lines, orders right-to-left text and picks fonts glyph by glyph; letters in its SVG are
outlines, so a file looks alike everywhere. A template finds its data as JSON in ``sys.inputs.data`` and the families
of this machine that it may use in ``fonts``; texts are data and never become Typst. Guarded by
tests/core/test_charts_shaded_files.py.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from .shaded_sheet import sheet_json

FONT = "Noto Sans, DejaVu Sans, Liberation Sans, Arial, Helvetica, sans-serif"
"""Families of every exported figure and text, the first that a machine has."""
TEMPLATES = Path(__file__).parent / "typst"
DOTS_PER_INCH = 220
"""Of a PNG: sharp in print at column width."""


def typeset(
    template: str, data: Mapping[str, Any], kind: Literal["svg", "png", "pdf"], dots: float = DOTS_PER_INCH
) -> list[bytes]:
    """Returns the file, one a page for SVG and PNG. ``template`` is a name in the folder ``typst``.

    ``dots``: dots per inch of a PNG.
    """
    import typst

    known = {family.casefold() for family in _fonts().families()}
    wanted = [name for name in (*FONT.split(", "), "Libertinus Serif") if name.casefold() in known]
    source = sheet_json(dict(data) | {"fonts": wanted})
    made, _ = typst.compile_with_warnings(
        TEMPLATES / f"{template}.typ",
        root=TEMPLATES,
        font_paths=_fonts(),
        format=kind,
        ppi=dots,
        sys_inputs={"data": source},
    )
    return list(made) if isinstance(made, list) else [made]


@functools.cache
def _fonts() -> Any:
    """The machine's fonts, looked up once."""
    import typst

    return typst.Fonts()
