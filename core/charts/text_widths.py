"""Measures how wide a text is drawn, and cuts texts into lines that fit, for figures that set their own lines.

Widths are those of Noto Sans, the font of every exported figure, in hundredths of its size; other fonts differ by
a tenth or so, which is why callers leave some air. Guarded by tests/core/test_charts_text_widths.py.
"""

from __future__ import annotations

import unicodedata

import regex

ASCII_WIDTHS = (
    26, 27, 41, 65, 57, 83, 73, 22, 30, 30, 55, 57, 27, 32, 27, 37, 57, 57, 57, 57, 57, 57, 57, 57,
    57, 57, 27, 27, 57, 57, 57, 43, 90, 64, 65, 63, 73, 56, 52, 73, 74, 34, 27, 62, 52, 91, 76, 78,
    60, 78, 62, 55, 56, 73, 60, 93, 59, 57, 57, 33, 37, 33, 57, 44, 28, 56, 62, 48, 62, 56, 34, 62,
    62, 26, 26, 53, 26, 94, 62, 60, 62, 62, 41, 48, 36, 62, 51, 79, 53, 51, 47, 38, 55, 38, 57,
)  # fmt: skip
"""Advance of the characters from the space to the tilde, read from NotoSans-Regular.ttf."""
OTHER_WIDTHS = {"—": 100, "–": 50, "…": 79, "“": 36, "”": 36, "‘": 17, "’": 17, "·": 27, "−": 57, "×": 57}
WIDE, LETTER, MARKED = 100, 62, 125
"""A CJK character, any other letter, and an emoji."""


def text_width(text: str, size: float) -> float:
    """Returns the approximate width of ``text`` in pixels, written in ``size`` pixels."""
    return size * sum(_advance(cluster) for cluster in _clusters(text)) / 100


def fitting_text(text: str, size: float, pixels: float) -> str:
    """Returns ``text``, cut with an ellipsis where it is wider than ``pixels``."""
    if text_width(text, size) <= pixels:
        return text
    left, kept = 100 * pixels / size - OTHER_WIDTHS["…"], []
    for cluster in _clusters(text):
        left -= _advance(cluster)
        if left < 0:
            break
        kept.append(cluster)
    return "".join(kept) + "…"


def wrapped_text(text: str, size: float, pixels: float) -> list[str]:
    """Returns ``text`` cut at spaces into lines that fit ``pixels``; a longer word is cut into pieces."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        for n, piece in enumerate(word_pieces(word, size, pixels)):
            both = f"{line} {piece}" if line else piece
            if n == 0 and text_width(both, size) <= pixels:
                line = both
            else:
                lines += [line] if line else []
                line = piece
    return [*lines, line] if line else lines


def word_pieces(word: str, size: float, pixels: float) -> list[str]:
    """Returns ``word`` in pieces that fit ``pixels`` each (at least one character); mostly the word itself."""
    if text_width(word, size) <= pixels:
        return [word]
    pieces: list[str] = []
    for cluster in _clusters(word):
        if pieces and text_width(pieces[-1] + cluster, size) <= pixels:
            pieces[-1] += cluster
        else:
            pieces.append(cluster)
    return pieces


def _clusters(text: str) -> list[str]:
    return list(text) if text.isascii() else regex.findall(r"\X", text)


def _advance(cluster: str) -> int:
    first = cluster[0]
    place = ord(first) - 32
    if 0 <= place < len(ASCII_WIDTHS):
        return ASCII_WIDTHS[place]
    if first in OTHER_WIDTHS:
        return OTHER_WIDTHS[first]
    if ord(first) >= 0x1F000:
        return MARKED
    if unicodedata.east_asian_width(first) in "WF":
        return WIDE
    return LETTER if unicodedata.category(first)[0] in "LNSP" else 0 if unicodedata.combining(first) else 26
