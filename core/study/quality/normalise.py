"""Normalises texts for comparison with a reference: words, numbers, articles, punctuation.

``normalise`` is the normalisation of SQuAD's evaluation (Rajpurkar et al. 2016): lower case, punctuation deleted, a /
an / the dropped, spaces made one. Three things differ, none of which a plain English answer meets: a number keeps its
sign and its decimal point and loses its thousands separators ("1,000.50" is 1000.5, and 3.14 is not 314); dashes longer
than a hyphen separate words; a text of nothing but articles keeps them, so that "A" can be the right choice.

``normal_tokens`` cuts at every punctuation mark instead of deleting it, which is what looking for a phrase inside a
longer text needs; characters of scripts written without spaces come one by one. Guarded by
tests/core/test_quality_reference_match.py.
"""

from __future__ import annotations

import unicodedata

import regex

from ...text.word_boundaries import word_spans

ARTICLES = frozenset({"a", "an", "the"})

UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
LETTER_CLASS = r"[\p{L}\p{M}\p{N}]"
_NUMBER = (
    rf"(?:(?<!{LETTER_CLASS}|[\p{{Pe}}%.,:/])[-\u2212](?=\p{{Sc}}?\.?\d)\p{{Sc}}?)?"
    rf"(?<!{LETTER_CLASS}|\d[.:/])(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    rf"(?!{LETTER_CLASS}|[.:/]\d)"
)
_NUMBERS = regex.compile(_NUMBER)
_TOKEN = regex.compile(rf"(?P<number>{_NUMBER})|\d+(?:[.:/]\d+)+|{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED}){LETTER_CLASS})+")
_DASH = regex.compile(r"[\u2012-\u2015\u2053\u2e3a\u2e3b]")
_SIGN = regex.compile(r"[\p{P}$+<=>^`|~]")
_SPLIT = regex.compile(rf"{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED})\S)+")


def normal_number(text: str) -> str:
    """Returns the canonical form of a number in ``text`` (one match): "1,500.0" gives "1500"."""
    digits = regex.sub(r"[,\p{Sc}]", "", text).replace("\u2212", "-")
    bare = digits.lstrip("-")
    if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit():
        return digits  # 007 and a postcode are names, not amounts
    digits = "".join(str(unicodedata.decimal(c, c)) for c in digits)
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".").replace("-.", "-0.")
    digits = f"0{digits}" if digits.startswith(".") else digits
    return "0" if digits in ("", "-", "-0") else digits


def normalise(text: str) -> str:
    """Returns ``text`` as SQuAD compares answers, numbers kept whole (see above)."""
    text = unicodedata.normalize("NFC", text).lower()
    out, at = [], 0
    for m in _NUMBERS.finditer(text):
        out += [_SIGN.sub("", _DASH.sub(" ", text[at : m.start()])), normal_number(m[0])]
        at = m.end()
    out.append(_SIGN.sub("", _DASH.sub(" ", text[at:])))
    return " ".join(without_articles("".join(out).split()))


def normal_words(text: str) -> list[str]:
    """Returns the words of ``normalise(text)``; characters of unspaced scripts come one by one."""
    return _SPLIT.findall(normalise(text))


def normal_tokens(text: str) -> list[str]:
    """Returns words and numbers of ``text`` in order, lower case, cut at punctuation, without articles."""
    text = unicodedata.normalize("NFC", text).lower()
    return without_articles([normal_number(m["number"]) if m["number"] else m[0] for m in _TOKEN.finditer(text)])


def without_articles(found: list[str]) -> list[str]:
    """Returns the words without a, an, the; all of them where there are no others."""
    return [w for w in found if w not in ARTICLES] or found


def occurs_in(part: list[str], whole: list[str]) -> bool:
    """Returns whether ``part`` (not empty) occurs in ``whole`` as a contiguous run."""
    n = len(part)
    return n > 0 and any(whole[i : i + n] == part for i in range(len(whole) - n + 1))


def word_list(text: str) -> list[str]:
    """Returns the words of ``text`` by Unicode's rules (UAX 29), lower case, those with a letter or digit."""
    spans = [text[a:b] for a, b in word_spans(text)]
    return [w.casefold() for w in spans if any(c.isalnum() for c in w)]
