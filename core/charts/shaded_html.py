"""Writes shaded texts as HTML: spans for pages and notebooks, and a snippet of its own that can be pasted into a blog.

The snippet has no script, no style sheet and no blank line (which would end an HTML block in Markdown); it brings its
own white, so that it reads alike on a dark page. All text is escaped. Guarded by tests/core/test_charts_shaded_files.py
and tests/core/test_charts_notebook_html.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..records import Importance
from .html_document import html_text
from .shaded_sheet import PICKED, SHADE, PickedSpan, ShadedText, ShadedWord, mixed_colour, shaded_sheet

Look = Callable[[ShadedWord], str]
"""Returns the attributes of a word's span, e.g. a style or a class."""
_BOX = (
    "margin:1em 0;padding:12px 14px;max-width:46em;background:#fff;color:#15202b;border:1px solid #d5dbe3;"
    "border-radius:6px;font:16px/1.75 system-ui,'Segoe UI','Noto Sans',sans-serif;text-align:start"
)
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;margin:0 0 10px"
_HEAD = "font-size:.75em;font-weight:600;color:#55606d;line-height:1.4"
_QUIET = "margin:2px 0;font-size:.75em;line-height:1.5;color:#55606d;unicode-bidi:plaintext;overflow-wrap:anywhere"
_KINDS = {
    "picked": f"box-shadow:0 0 0 2px {PICKED}",
    "sunk": "text-decoration:underline dotted #55606d",
    "markup": "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.8em;border:1px dashed #d5dbe3",
    "end": "font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.8em;border:1px dashed #d5dbe3",
    "thinking": "font-style:italic;color:#55606d",
}


def shaded_texts_html(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> str:
    """Returns the texts as one HTML element to paste; arguments as ``shaded_texts_svg``. Numbers appear on hover."""
    sheet = shaded_sheet(importance, picked, sentence, **shown)
    parts = [f'<div style="margin:0 0 2px"><b>{html_text(t.title)}</b></div>{text_html(t)}' for t in sheet.texts]
    if sheet.sentence:
        parts.append(
            f'<div style="margin:6px 0;font-weight:500;unicode-bidi:plaintext">{html_text(sheet.sentence)}</div>'
        )
    if sheet.full:
        bar = f"width:7em;height:.8em;border:1px solid #d5dbe3;background:linear-gradient(to right,#fff,{SHADE})"
        parts.append(
            f'<div style="font-size:.82em">{html_text(sheet.scale)} 0 '
            f'<span style="display:inline-block;vertical-align:-.1em;{bar}"></span> {html_text(sheet.full)}</div>'
        )
    parts += [f'<div style="{_QUIET}">{isolated_html(line)}</div>' for line in (sheet.highest, sheet.caption) if line]
    return f'<figure style="{_BOX}">\n' + "\n".join(parts) + "\n</figure>\n"


def text_html(
    text: ShadedText, look: Look | None = None, block: str = f'style="{_TEXT}"', head: str = f'style="{_HEAD}"'
) -> str:
    """Returns the messages of a text; ``look`` gives each word its attributes, by default a style on white.

    ``block`` and ``head`` are the attributes of a message and of its heading.
    """
    out = []
    for group in text.groups:
        heading = f"<div {head}>{html_text(group.head)}</div>" if group.head else ""
        spans = shaded_spans(group.words, look or (lambda w: f'style="{word_style(w, text.signed)}"'))
        out.append(f'{heading}<div dir="auto" {block}>{spans}{_lined(group.tail)}</div>')
    return "".join(out)


def shaded_spans(words: Iterable[ShadedWord], look: Look) -> str:
    """Returns each word as a span with what stands before it; line breaks become ``<br>``."""
    parts = []
    for word in words:
        title = f'title="{html_text(word.hover)}" ' if word.hover else ""
        parts.append(f"{_lined(word.gap)}<span {title}{look(word)}>{_lined(word.text)}</span>")
    return "".join(parts)


def word_style(word: ShadedWord, signed: bool = False) -> str:
    """Returns the style of a word on white."""
    shade = f"background:{mixed_colour(word.strength, signed)};" if word.strength else ""
    kind = _KINDS.get(word.kind, "")
    return f"{shade}border-radius:3px;padding:1px{';' if kind else ''}{kind}"


def isolated_html(text: str) -> str:
    """Returns a line of Heed's own as HTML; what stands between isolates keeps its direction to itself."""
    parts = text.replace("\u2069", "\u2068").split("\u2068")
    return "".join(f"<bdi>{html_text(p)}</bdi>" if n % 2 else html_text(p) for n, p in enumerate(parts))


def _lined(text: str) -> str:
    return html_text(text).replace("\n", "<br>")
