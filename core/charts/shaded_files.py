"""Writes the two shaded texts as SVG, PNG and PDF: colours and numbers as on the page, on white.

Every function takes an Importance, what is picked (default: the mean over the answer), the sentence above the legend
and what ``shaded_texts_data`` takes (``strength``, ``maximum``, ``inputs``). Guarded by
tests/core/test_charts_shaded_files.py.
"""

from __future__ import annotations

from html import escape
from typing import Any

from ..records import Importance
from .picture_files import PictureFile, missing_note
from .shaded_sheet import (
    SHADE,
    PickedSpan,
    ShadedSheet,
    ShadedText,
    ShadedWord,
    is_right_to_left,
    mixed_colour,
    shaded_sheet,
    text_lines,
)
from .text_labels import plain_text
from .typst_files import typeset

TEXTS_TITLE = "What the model read"


def shaded_texts_svg(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> PictureFile:
    """Returns the texts as SVG: letters as outlines, and the words with their values as its description."""
    sheet = shaded_sheet(importance, picked, sentence, **shown)
    made, note = _picture(sheet, "svg")
    head, _, body = made.decode().partition(">")
    told = f"<title>{escape(TEXTS_TITLE)}</title><desc>{escape(_description(sheet))}</desc>"
    return PictureFile(f"{head}>{told}{body}".encode(), note)


def shaded_texts_png(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> PictureFile:
    """Returns the texts as PNG, 170 mm wide at 220 dots per inch."""
    return _picture(shaded_sheet(importance, picked, sentence, **shown), "png")


def shaded_texts_pdf(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> PictureFile:
    """Returns the texts as PDF with embedded fonts."""
    return _picture(shaded_sheet(importance, picked, sentence, **shown), "pdf")


def _picture(sheet: ShadedSheet, kind: Any) -> PictureFile:
    data = sheet._asdict() | {"texts": [text_json(t) for t in sheet.texts], "shade": SHADE, "title": TEXTS_TITLE}
    return PictureFile(typeset("shaded_texts", data, kind)[0], missing_note({"all": _description(sheet)}))


def text_json(text: ShadedText) -> dict[str, Any]:
    """A text as a Typst template takes it, line by line, each in its own direction."""
    groups = []
    for group in text.groups:
        lines = [
            {
                "rtl": is_right_to_left("".join(w.text for w in line)),
                "words": [_word_json(w, text.signed) for w in line],
            }
            for line in text_lines(group)
        ]
        groups.append({"head": group.head, "lines": lines})
    return {"title": text.title, "groups": groups}


def _word_json(word: ShadedWord, signed: bool) -> dict[str, str]:
    fill = mixed_colour(word.strength, signed) if word.strength else ""
    gap = word.gap.expandtabs(4)
    return {"t": word.text.expandtabs(4), "gap": gap, "kind": word.kind, "fill": fill}


def _description(sheet: ShadedSheet) -> str:
    """The words with their values, one a line: for those who hear a picture, and to be searched."""
    lines = [sheet.sentence, f"{sheet.scale}; full shade: {sheet.full}", sheet.highest, sheet.caption]
    for text in sheet.texts:
        lines.append(f"{text.title}:")
        lines += [
            f"{plain_text(w.text)}{f' ({w.hover})' if w.hover else ''}" for group in text.groups for w in group.words
        ]
    return "\n".join(line for line in lines if line)
