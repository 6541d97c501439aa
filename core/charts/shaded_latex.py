r"""Writes the two shaded texts as LaTeX: one \colorbox a word, which lines can break between; needs xcolor alone.

Every sign that LaTeX would read is escaped. pdfLaTeX sets Latin text; what needs LuaLaTeX or XeLaTeX and fonts is said
in the file's first lines. Guarded by tests/core/test_charts_shaded_files.py.
"""

from __future__ import annotations

import re
from typing import Any

import regex

from ..records import Importance
from .shaded_sheet import (
    PICKED,
    SHADE,
    PickedSpan,
    ShadedSheet,
    ShadedWord,
    is_right_to_left,
    shaded_sheet,
    text_lines,
)

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\symbol{34}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "-": "-{}",
    "?": "?{}", "!": "!{}", ",": ",{}", "×": r"\ensuremath{\times}", "→": r"\ensuremath{\rightarrow}",
    "·": r"\textperiodcentered{}", "␣": r"\textvisiblespace{}", "…": r"\dots{}", "−": r"\ensuremath{-}",
    "\u00a0": "~", "\u2068": "", "\u2069": "", "∅": r"\ensuremath{\emptyset}",
}  # fmt: skip
_SIMPLE = re.compile(r"^[\n\x20-\x7e\u00a0-\u017f\u2013\u2014\u2018-\u201e\u2020-\u2022\u20ac×→·␣…−∅\u2068\u2069]*$")
"""Characters that pdfLaTeX knows without another package."""
_CUTS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]\p{M}*|\S(?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])\S)*\s*|\s+"
)
_CUT = r"\heedcut{}"
_NO_BREAK = regex.compile(r"^[\p{Po}\p{Pe}\p{Pf}\p{M}]")
_SETUP = rf"""\begingroup
\definecolor{{heedshade}}{{HTML}}{{{SHADE[1:].upper()}}}\definecolor{{heedpicked}}{{HTML}}{{{PICKED[1:].upper()}}}%
\fboxsep=0.6pt\fboxrule=1pt\raggedright\parindent=0pt\parskip=0pt
\def\heedstrut{{\rule[-0.25em]{{0pt}}{{1.05em}}}}%
\def\heedword#1#2{{\colorbox{{heedshade!#1!white}}{{\heedstrut#2}}}}% shade in percent, word
\def\heedpicked#1{{\fcolorbox{{heedpicked}}{{white}}{{\heedstrut#1}}}}% what is picked
\def\heedcut{{\penalty200\relax}}% a line may break
\def\heedline{{\par\leavevmode\ignorespaces}}%"""


def shaded_texts_latex(
    importance: Importance, picked: PickedSpan | None = None, sentence: str | None = None, **shown: Any
) -> str:
    r"""Returns the texts as LaTeX to ``\input`` or paste; arguments as ``shaded_texts_svg``."""
    sheet = shaded_sheet(importance, picked, sentence, **shown)
    lines = [*_needs(sheet), _SETUP]
    for text in sheet.texts:
        lines.append(rf"\medskip{{\bfseries {latex_text(text.title)}}}\par\smallskip")
        for group in text.groups:
            lines += [rf"{{\footnotesize\bfseries {latex_text(group.head)}}}\par"] if group.head else []
            lines += [_line(line) for line in text_lines(group)]
            lines.append(r"\par")
    lines += [rf"\medskip {latex_text(sheet.sentence)}\par"] if sheet.sentence else []
    if sheet.full:
        bar = "".join(rf"\heedword{{{10 * n}}}{{~}}" for n in range(11))
        lines.append(rf"\smallskip{{\small {latex_text(sheet.scale)}: \mbox{{0 {bar} {latex_text(sheet.full)}}}}}\par")
    for line in (sheet.highest, sheet.caption):
        lines += [rf"{{\footnotesize {latex_text(line)}\par}}"] if line else []
    return "\n".join([*lines, r"\endgroup", ""])


def latex_text(text: str) -> str:
    """Returns ``text`` with every sign that LaTeX reads escaped, and ligatures of signs kept apart."""
    return "".join(_SIGNS.get(c, c) for c in text)


def _needs(sheet: ShadedSheet) -> list[str]:
    """The comment at the top: packages, and which engine the letters need."""
    words = "".join(w.gap + w.text for t in sheet.texts for g in t.groups for w in g.words) + sheet.sentence
    simple = bool(_SIMPLE.match(words.replace("\t", " ")))
    engine = (
        r"pdfLaTeX (with \usepackage[T1]{fontenc} beyond English), LuaLaTeX or XeLaTeX."
        if simple
        else r"LuaLaTeX or XeLaTeX with fontspec and a \setmainfont that has these letters (pdfLaTeX has none)."
    )
    out = ["% Shaded texts by Heed. In the preamble: \\usepackage{xcolor}", f"% Engine: {engine}"]
    if any(is_right_to_left(w.text) for t in sheet.texts for g in t.groups for w in g.words):
        out.append(r"% Right-to-left words: LuaLaTeX with \usepackage[bidi=basic]{babel} sets them in their direction.")
    return out


def _line(words: list[ShadedWord]) -> str:
    out = [r"\heedline"]
    for n, word in enumerate(words):
        out.append(_gap(word.gap, first=n == 0))
        if n and not word.gap and not _NO_BREAK.match(word.text):
            out.append(_CUT)
        out.append(_word(word))
    return _wrapped("".join(out))


def _gap(gap: str, first: bool) -> str:
    """Spaces before a word: each is kept, and only the last lets the line break."""
    gap = gap.expandtabs(4)
    spaces = len(gap) - len(gap.lstrip(" "))
    kept = "~" * spaces if first else "~" * (spaces - 1) + " " * bool(spaces)
    return ("{}" if first or spaces else "") + kept + latex_text(gap[spaces:])


def _word(word: ShadedWord) -> str:
    """A word in its shade, cut where its text has spaces or Chinese characters, so that a line can break in it."""
    pieces = _CUTS.findall(word.text.expandtabs(4)) or [""]
    return _CUT.join(_piece(word, piece) for piece in pieces)


def _piece(word: ShadedWord, piece: str) -> str:
    text = latex_text(piece).replace(" ", "~")
    if word.kind in ("markup", "end"):
        text = rf"{{\footnotesize\ttfamily {text}}}"
    elif word.kind == "thinking":
        text = rf"\textit{{{text}}}"
    if word.kind == "picked":
        return rf"\heedpicked{{{text}}}"
    return rf"\heedword{{{100 * word.strength:.1f}}}{{{text}}}" if word.strength else text


def _wrapped(line: str) -> str:
    """Breaks a source line after macros, with a % so that no space appears."""
    out, width = [], 0
    for part in re.split(r"(?=\\heed(?:word|picked|cut))", line):
        if width + len(part) > 110 and width:
            out.append("%\n")
            width = 0
        out.append(part)
        width += len(part)
    return "".join(out)
