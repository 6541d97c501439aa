"""Makes text safe and readable for display: visible spaces, whole characters, no control or bidi tricks.

A label on an axis or in a table has one line: a token that is only a space must not look empty, a newline must not
break the axis, a bidi override must not turn the line around, and Hebrew beside English must not swap places with its
neighbours (it is put between FSI and PDI, the Unicode isolates). Nothing here is HTML. Guarded by
tests/core/test_text_display_text.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import regex

SPACE, NEWLINE, TAB = "␣", "⏎", "⇥"
BROKEN = "\ufffd"
"""What a decoder returns for part of a character; also used in labels."""

_ISOLATE, _POP = "\u2068", "\u2069"
_CLUSTER = regex.compile(r"\X")
_EDGES = regex.compile(r"^[^\S\n\r\t]+|[^\S\n\r\t]+$")
_HIDDEN = regex.compile(r"[\p{Cc}\p{Cs}\p{Cn}\p{Co}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029\uFEFF]")
_KEPT = regex.compile(r"[\uFE00-\uFE0F\U000E0100-\U000E01EF\U000E0020-\U000E007F\u200C\u200D\u180B-\u180F\u115F\u1160]")
_RTL = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}\p{Bidi_Class=AN}]")
_LONE_MARK = regex.compile(r"^\p{M}")


def graphemes(text: str) -> list[tuple[int, int]]:
    """Returns (start, end) of each grapheme cluster of ``text`` (UAX 29): what a reader calls one character."""
    return [m.span() for m in _CLUSTER.finditer(text)]


def visible_text(text: str) -> str:
    """Returns ``text`` as a one-line label: edge spaces, newlines and tabs as glyphs, control characters spelled out.

    Spaces inside stay spaces. Right-to-left text is isolated. Parts of a character stay U+FFFD.
    """
    if text.isascii() and text.isprintable() and text == text.strip():
        return text
    text = text.replace("\r\n", NEWLINE).replace("\n", NEWLINE).replace("\r", NEWLINE).replace("\t", TAB)
    text = _EDGES.sub(lambda m: SPACE * len(m[0]), text)
    text = "".join(_spelled(m[0]) for m in _CLUSTER.finditer(text))
    if _LONE_MARK.match(text):
        text = "\u25cc" + text
    return f"{_ISOLATE}{text}{_POP}" if _RTL.search(text) else text


def _spelled(cluster: str) -> str:
    """Writes invisible characters of one cluster as ⟨U+202E⟩; joiners inside an emoji or a letter stay."""
    if not _HIDDEN.search(cluster):
        return cluster
    first, rest = cluster[0], cluster[1:]
    shown = f"⟨U+{ord(first):04X}⟩" if _HIDDEN.match(first) else first
    for c in rest:
        shown += c if _KEPT.match(c) or not _HIDDEN.match(c) else f"⟨U+{ord(c):04X}⟩"
    return shown


def and_list(parts: Sequence[str]) -> str:
    """Returns ``parts`` as a list inside a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def decode_stream(tokenizer: Any, ids: Sequence[int]) -> str:
    """Decodes the ids generated so far for live display, never ending in half a character.

    Special tokens are left out; bytes of an unfinished character and a joiner that waits for the second half of an
    emoji are held back. As tokens come, the text only ever grows.
    """
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text.rstrip(BROKEN).rstrip("\u200d")
