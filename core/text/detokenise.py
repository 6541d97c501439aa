"""Finds the characters of the text that each token covers, for any tokenizer, by decoding only.

Decoding tokens one by one loses the spaces of SentencePiece and breaks characters that are spread over tokens, so text
is decoded with a few tokens before it and only what is new is taken. ``spell_tokens`` gives each token the characters
it has a part in: tokens that together make one character all get the whole character. Guarded by
tests/core/test_text_detokenise.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from ..records import Span
from .display_text import BROKEN, graphemes

_WINDOW = 24
"""Tokens decoded together before the window moves on; it moves only at a whole character."""


_known: WeakKeyDictionary[Any, dict[int, str]] = WeakKeyDictionary()
"""Texts of single tokens, per tokenizer: a few alternatives per step come up again and again."""


def decode_ids(tokenizer: Any, ids: Sequence[int]) -> str:
    """Decodes ``ids`` with special tokens and without clean-up rules."""
    return tokenizer.decode([int(i) for i in ids], skip_special_tokens=False, clean_up_tokenization_spaces=False)


def token_texts(tokenizer: Any, ids: Sequence[int]) -> tuple[str, ...]:
    """Returns each token decoded alone, with the leading space that it stands for; parts of a character give U+FFFD."""
    known = _known.setdefault(tokenizer, {})
    for i in ids:
        if int(i) not in known:
            known[int(i)] = _token_text(tokenizer, int(i))
    return tuple(known[int(i)] for i in ids)


def _token_text(tokenizer: Any, i: int) -> str:
    text = decode_ids(tokenizer, [i])
    name = tokenizer.convert_ids_to_tokens(i)
    if isinstance(name, str) and name.startswith("▁") and not text.startswith(" "):
        return " " + text
    return text or BROKEN


def spell_tokens(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[Span]]:
    """Returns (the text of ``ids``, the span of it that each token covers), spans not yet widened to grapheme clusters.

    The text is what decoding them together gives, special tokens included. Tokens that together make one character
    all have that character.
    """
    ids = [int(i) for i in ids]
    text, spans = "", []
    first, shown = 0, ""
    waiting = [0]  # lengths of the finished text before and after each token since the last whole character
    for k in range(len(ids)):
        now = decode_ids(tokenizer, ids[first : k + 1])
        done = len(now.rstrip(BROKEN))
        waiting.append(max(done, waiting[-1]))  # some decoders break a whole character again until the next is whole
        whole = done == len(now)
        if not whole and k + 1 < len(ids):
            continue
        spans += [(len(text) + a, len(text) + b) for a, b in _settle(now, waiting)]
        shown, waiting = now, [len(now)]
        if k + 1 - first >= _WINDOW and whole and not _is_byte(tokenizer, ids[k]):
            anchor = decode_ids(tokenizer, ids[k : k + 1])
            if anchor and now.endswith(anchor):
                text += now[: len(now) - len(anchor)]
                first, shown, waiting = k, anchor, [len(anchor)]
    return text + shown, merge_empty_spans(spans, [False] * len(spans))


def merge_empty_spans(spans: Sequence[Span], added: Sequence[bool]) -> list[Span]:
    """Gives each token without characters (a prefix space, a first byte) the span of the next token, else the previous.

    ``added`` tokens are left as they are.
    """
    out = list(spans)
    real = [not a and s < e for a, (s, e) in zip(added, spans, strict=True)]
    for order in (range(len(out) - 1, -1, -1), range(len(out))):
        near = None
        for i in order:
            if real[i]:
                near = out[i]
            elif not added[i] and near is not None:
                out[i], real[i] = near, True
    return out


def _is_byte(tokenizer: Any, i: int) -> bool:
    """Returns whether a token is a single byte of SentencePiece, whose character the bytes after it can still break."""
    return str(tokenizer.convert_ids_to_tokens(i)).startswith("<0x")


def _settle(now: str, lengths: Sequence[int]) -> list[Span]:
    """Returns the spans of the tokens that extended the text from ``lengths[0]`` characters to ``now``.

    Each covers what it finished and the character that it left unfinished. Bytes that never became a character cannot
    be told apart: their tokens share all of it.
    """
    base = min(lengths[0], len(now))
    if BROKEN in now[base:]:
        return [(base, len(now))] * (len(lengths) - 1)
    out = []
    for before, after in pairwise(lengths):
        out.append((min(before, len(now)), min(len(now), after if after == len(now) else after + 1)))
    return out


def close_span(span: Span, clusters: Sequence[Span], starts: Sequence[int]) -> Span:
    """Widens ``span`` to whole characters; an empty span stays. ``starts``: where each cluster starts."""
    a, b = span
    if b <= a or not clusters:
        return span
    return clusters[bisect_right(starts, a) - 1][0], clusters[bisect_right(starts, b - 1) - 1][1]


def close_spans(spans: Sequence[Span], text: str) -> list[Span]:
    """Widens every span to whole grapheme clusters of ``text``."""
    clusters = graphemes(text)
    starts = [c[0] for c in clusters]
    return [close_span(s, clusters, starts) for s in spans]
