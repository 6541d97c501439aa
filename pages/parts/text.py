"""Text that comes from models and strangers, made fit for Markdown: shown as it is, never carried out.

Where a whole element is such text, use ``st.text``; this is for texts inside a caption or a label.
Guarded by tests/pages/test_text.py.
"""

from __future__ import annotations

import regex

from core.charts.labels import plain

MARKS = "\\`*_{}[]()<>#+-.!|$~:&=^"
ARROWS = regex.compile(r"(?<!\S)(<-|->|<->|--|>=|<=|~=)(?!\S)")
"""Streamlit turns these into typographic signs, escaped or not."""
JOINER = "\u2060"


def escape(text: str) -> str:
    """``text`` as one line of Markdown that shows every sign of it."""
    line = ARROWS.sub(lambda m: JOINER.join(m[0]), " ".join(plain(text).split()))
    return "".join("\\" + sign if sign in MARKS else sign for sign in line)
