"""Escapes text from models and users for Streamlit's Markdown, which then displays it literally.

Where a whole element is such text, use ``st.text``; this is for text inside a caption or a label. No more is
escaped than needs to be, so that sentences stay readable. Guarded by tests/pages/test_text.py.
"""

from __future__ import annotations

import re

from core.charts.text_labels import plain_text

MARKDOWN_SIGNS = re.compile(r"[\\`*_{}\[\]<>$~&]|:(?=\S)|^(?:[#+=-]|\d+(?=[.)]))")
"""Characters that Markdown or Streamlit would act on; the last ones only at the beginning of a line."""
ARROWS = re.compile(r"(?<!\S)(<-|->|<->|--|>=|<=|~=)(?!\S)")
"""Streamlit turns these into typographic signs, escaped or not."""
JOINER = "\u2060"


def escape_markdown(text: str) -> str:
    """``text`` as one line of Markdown that displays every character of it."""
    line = ARROWS.sub(lambda m: JOINER.join(m[0]), " ".join(plain_text(text).split()))
    return MARKDOWN_SIGNS.sub(lambda m: JOINER + m[0] if m[0][0].isdigit() else "\\" + m[0], line)
