"""Sets shaded words in lines of a given width: where each piece stands, and how high all of it is.

Words that touch (a token and its end, a word and its comma) stay together; between CJK characters a line may break
anywhere; lines of Arabic or Hebrew run from the right. Guarded by tests/core/test_charts_text_layout.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .shaded_sheet import ShadedGroup, ShadedWord, is_right_to_left, text_lines
from .text_widths import text_width, word_pieces

_PARTS = re.compile(r"(\s*)(\S+)(\s*$)?")
"""What stands before a part of a word, the part, and what ends the word."""


class PlacedWord(NamedTuple):
    """A piece of a word on its line."""

    text: str
    x: float
    """Left edge in pixels."""
    width: float
    line: int
    unit: int
    """Place of its word among all words of the group; -1 for what stands between words."""
    first: bool
    """Whether the word begins here."""


class _Piece(NamedTuple):
    text: str
    gap: float
    """Pixels before it, if it does not begin a line."""
    unit: int
    first: bool


def placed_words(group: ShadedGroup, size: float, pixels: float) -> tuple[list[PlacedWord], int]:
    """Returns the pieces of a group's words in lines of ``pixels`` width, and the number of lines."""
    numbered = [word._replace(hover=str(i)) for i, word in enumerate(group.words)]
    placed: list[PlacedWord] = []
    line = 0
    for words in text_lines(group._replace(words=tuple(numbered))):
        rows = _rows(_pieces(words, size, pixels), size, pixels)
        for row in rows:
            placed += _on_line(row, line, size, pixels)
            line += 1
        line += not rows
    return placed, line


def _pieces(words: Sequence[ShadedWord], size: float, pixels: float) -> list[_Piece]:
    """Returns the words of one paragraph cut at their own spaces, and where one is wider than a line."""
    out: list[_Piece] = []
    seen: set[int] = set()
    gap = 0.0
    for word in words:
        unit = int(word.hover) if word.hover else -1
        gap += text_width(word.gap, size)
        parts = [("", " ", "")] if word.text.isspace() else _PARTS.findall(word.text)
        for before, part, after in parts:
            gap += text_width(before, size)
            for piece in word_pieces(part, size, pixels):
                out.append(_Piece(piece, gap, unit, unit not in seen))
                seen.add(unit)
                gap = 0.0
            gap = text_width(after, size)
    return out


def _rows(pieces: Iterable[_Piece], size: float, pixels: float) -> list[list[_Piece]]:
    """Returns lines of pieces; those that touch move to the next line together where they fit one."""
    rows: list[list[_Piece]] = []
    used = 0.0
    for cluster in _clusters(pieces):
        width = sum(text_width(p.text, size) for p in cluster)
        if rows and used + cluster[0].gap + width <= pixels:
            rows[-1] += cluster
            used += cluster[0].gap + width
            continue
        if width <= pixels:
            rows.append(list(cluster))
            used = width
            continue
        for piece in cluster:  # longer than a line: cut between its words
            own = text_width(piece.text, size)
            if rows and used + piece.gap + own <= pixels:
                rows[-1].append(piece)
                used += piece.gap + own
            else:
                rows.append([piece])
                used = own
    return rows


def _clusters(pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    """Returns pieces in runs without a gap, each CJK character with what closes it."""
    clusters: list[list[_Piece]] = []
    for piece in pieces:
        before = clusters[-1][-1].text if clusters else ""
        closes = unicodedata.category(piece.text[:1] or " ") in ("Po", "Pe", "Pf")
        apart = piece.gap or before.isspace() or ((_is_wide(piece.text[:1]) or _is_wide(before[-1:])) and not closes)
        if clusters and not apart:
            clusters[-1].append(piece)
        else:
            clusters.append([piece])
    return clusters


def _is_wide(character: str) -> bool:
    return bool(character) and unicodedata.east_asian_width(character) in "WF"


def _on_line(row: Sequence[_Piece], line: int, size: float, pixels: float) -> list[PlacedWord]:
    """Returns the pieces of one line with their places, from the right where the line reads so."""
    out = []
    x = 0.0
    for n, piece in enumerate(row):
        x += piece.gap if n else 0
        width = text_width(piece.text, size)
        out.append(PlacedWord(piece.text, x, width, line, piece.unit, piece.first))
        x += width
    if is_right_to_left("".join(p.text for p in row)):
        return [word._replace(x=max(pixels - word.x - word.width, 0)) for word in out]
    return out
