"""Draws two answers side by side, with the words that only one of them has marked by sign and colour.

Guarded by tests/pages/test_compare.py and tests/pages/test_whatif.py.
"""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from pages.parts.markdown_escape import escape_markdown


def two_answers(answers: tuple[str, str], captions: tuple[str, str], owners: tuple[str, str]) -> None:
    """Draws both answers under their captions; ``owners`` name them in the sentence on what the colours say."""
    from core.comparing import word_diff

    one, other = answers
    pieces = word_diff(one, other)
    marks = (("a", "−", "orange"), ("b", "+", "blue"))
    for (side, sign, colour), caption, place in zip(marks, captions, st.columns(2), strict=True):
        with place.container(border=True):
            st.caption(escape_markdown(caption))
            text = diff_markdown([(p.kind != "same", getattr(p, side)) for p in pieces], sign, colour)
            st.markdown(text or "*The answer is empty.*")
    if one == other:
        st.caption("Word for word the same answer.")
        return
    a, b = map(escape_markdown, owners)
    st.caption(f"On orange ground after − what only {a} has, on blue ground after + what only {b} has.")


def diff_markdown(pieces: list[tuple[bool, str]], sign: str, colour: str) -> str:
    """Markdown in which changed pieces have a coloured background and a sign in front.

    Markdown inside the texts is escaped; line breaks stay.
    """
    joined = [(c, "".join(t for _, t in run)) for c, run in groupby((p for p in pieces if p[1]), key=lambda p: p[0])]
    lines = [""]
    for changed, text in joined:
        for i, part in enumerate(text.split("\n")):
            if i:
                lines.append("")
            word = escape_markdown(part)
            if word:
                space = " " if part[:1].isspace() and lines[-1] else ""
                lines[-1] += space + (f":{colour}-background[**{sign}** {word}]" if changed else word)
            lines[-1] += " " if part[-1:].isspace() and lines[-1] else ""
    return "  \n".join(lines)
