"""Exports charts as PNG, SVG and PDF with vl-convert, offline, in a light theme whatever the page looks like.

vl-convert lays a chart out and draws it; PNG and PDF get their texts from Typst (``figure_text``), which shapes every
script and embeds every font, emoji with their colours. Where that fails, vl-convert makes the whole file, and where it
can embed no font either, the PDF holds a picture of 300 dots per inch, and ``note`` says so. vl-convert finds the
system's fonts by itself; folders that it does not know are registered once. A label in a script that no font on this
machine has is no error: the figure is made, and ``note`` says which characters are missing and what to install.
A PDF from Typst is as large as the chart at 96 pixels an inch: one of 330 pixels fills a column of 3.4 inch. Guarded by
tests/core/test_charts_picture_files.py.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .figure_text import split_figure
from .typst_files import FONT, typeset

LOG = logging.getLogger("heed")
LIGHT: dict[str, Any] = {
    "background": "white",
    "font": FONT,
    "locale": {"number": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["$", ""], "minus": "-"}},
    "view": {"stroke": "#d5dbe3"},
    "title": {"color": "#15202b", "subtitleColor": "#55606d", "fontSize": 15, "subtitleFontSize": 11},
    "axis": {"labelColor": "#15202b", "titleColor": "#15202b", "gridColor": "#e6eaef"},
    "legend": {"labelColor": "#15202b", "titleColor": "#15202b"},
}
"""Colours and fonts of every exported figure; a chart's own config wins. The minus is the one that every font has."""
SAMPLES = 80
"""Most different characters that are looked up in the fonts."""


class PictureFile(NamedTuple):
    """An exported chart, and one sentence about what could not be drawn as it should (or nothing)."""

    data: bytes
    note: str = ""


def png(chart: Any, scale: float = 2) -> PictureFile:
    """Returns an Altair chart (or its dict) as PNG, ``scale`` pixels per unit."""
    spec = printed(chart)
    data = _typeset(spec, "png", 96 * scale) or _converter().vegalite_to_png(spec, scale=scale)
    return PictureFile(data, missing_note(spec))


def svg(chart: Any) -> PictureFile:
    """Returns an Altair chart (or its dict) as SVG; its text stays text, drawn in the viewer's fonts."""
    return PictureFile(_converter().vegalite_to_svg(printed(chart)).encode())


def pdf(chart: Any) -> PictureFile:
    """Returns an Altair chart (or its dict) as PDF: vectors with embedded fonts, or a picture where that fails."""
    spec = printed(chart)
    note = missing_note(spec)
    if made := _typeset(spec, "pdf"):
        return PictureFile(made, note)
    try:
        return PictureFile(_converter().vegalite_to_pdf(spec), note)
    except ValueError:
        told = "The PDF holds a picture (300 dots per inch), since a font of its labels cannot be embedded."
        return PictureFile(_picture_pdf(_converter().vegalite_to_png(spec, scale=300 / 72)), f"{told} {note}".strip())


def _typeset(spec: dict[str, Any], kind: Literal["png", "pdf"], dots: float = 96) -> bytes | None:
    """Returns the chart with its texts set by Typst; None where that fails."""
    drawn = _converter().vegalite_to_svg(spec)
    try:
        return typeset("figure", split_figure(drawn.encode()) | {"title": _title(spec)}, kind, dots)[0]
    except (RuntimeError, ValueError, SyntaxError) as error:  # Typst's, a placement not known, SVG that is no XML
        LOG.warning("A figure's texts could not be set by Typst (%s); drawn by vl-convert.", error)
        return None


def _title(spec: dict[str, Any]) -> str:
    """Returns the chart's title, which a reader of the PDF shows in its window."""
    title = spec.get("title")
    text = title.get("text", "") if isinstance(title, dict) else title
    return text if isinstance(text, str) else ""


def missing_note(spec: dict[str, Any]) -> str:
    """Returns one sentence on the characters of a chart that no font of this machine has; empty when there are none."""
    gone = missing("".join(_strings(spec)))
    if not gone:
        return ""
    shown = " ".join(gone[:8]) + (" …" if len(gone) > 8 else "")
    return f"No font on this machine has {shown}: install fonts for them (on Debian: fonts-noto) and export again."


def missing(text: str) -> list[str]:
    """Returns the characters of ``text`` that are drawn just as a character that no font has."""
    seen = {c for c in text if ord(c) > 0x24F and unicodedata.category(c)[0] in "LNPS"}
    return [c for c in sorted(seen)[:SAMPLES] if _drawn(c) == _drawn("\U0010fffe")]


@functools.lru_cache(maxsize=4096)
def _drawn(character: str) -> bytes:
    text = f'<text x="4" y="24" font-size="20" font-family="Noto Sans">&#{ord(character)};</text>'
    box = f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="36">{text}</svg>'
    return bytes(_converter().svg_to_png(box))


def _strings(value: Any) -> Iterator[str]:
    """Yields every string of a spec except embedded pictures."""
    if isinstance(value, str):
        yield value if not value.startswith("data:") else ""
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def printed(chart: Any) -> dict[str, Any]:
    """Returns an Altair chart (or its dict) as a dict in the light theme of all files."""
    spec = dict(chart) if isinstance(chart, dict) else chart.to_dict(validate=False)  # as pages do
    title = spec.get("title")
    if isinstance(title, dict):
        spec["title"] = {k: v for k, v in title.items() if k != "subtitleColor"}
    return spec | {"config": _merged(LIGHT, spec.get("config") or {})}


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out


def _picture_pdf(data: bytes) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, "PDF", resolution=300)
    return out.getvalue()


@functools.cache
def _converter() -> Any:
    """Returns vl-convert, after registering the font folders that it does not look into by itself."""
    import vl_convert

    for folder in font_folders():
        vl_convert.register_font_directory(str(folder))
    return vl_convert


def font_folders() -> list[Path]:
    """Returns the usual font folders of Linux, macOS and Windows that exist here."""
    home = Path.home()
    folders = [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".fonts",
        home / ".local/share/fonts",
        Path("/opt/homebrew/share/fonts"),
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
        home / "Library/Fonts",
        Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",
    ]
    local = os.environ.get("LOCALAPPDATA")
    if local:
        folders.append(Path(local) / "Microsoft/Windows/Fonts")
    return [folder for folder in folders if folder.is_dir()]
