"""Tokenises a text and finds the characters of each token, checking the result by rebuilding the text from it.

Fast tokenizers report offsets; some are wrong (a normaliser moved characters) and some tokenizers report none. So
offsets are used only after the text was rebuilt from them: tokens that share a character are decoded together and must
give the very characters that their offsets name (up to NFKC and the spaces that tokenizers add or drop). Where that
fails, spans come from decoding instead, which counts only if it gives the text exactly. Where neither succeeds,
``proven`` is False. Guarded by tests/core/test_text_encoding.py.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

from ..records import Span
from .detokenise import close_spans, decode_ids, merge_empty_spans, spell_tokens, token_texts

_DROPPED = regex.compile(r"[\s\p{Cc}\p{Cf}]*")
_SPACES = regex.compile(r"[\s▁]+")


@dataclass(frozen=True)
class Encoded:
    """A text as tokens, each with its span of characters."""

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    """Not widened to clusters; (0, 0) where unknown or where the token is not in the text."""
    added: tuple[bool, ...]
    """Whether the tokenizer itself put this token around the text (begin, end)."""
    proven: bool

    @property
    def before(self) -> int:
        """Number of tokens that the tokenizer added in front."""
        return next((i for i, a in enumerate(self.added) if not a), len(self.added))

    @property
    def own_ids(self) -> tuple[int, ...]:
        """The ids without those that the tokenizer added behind."""
        after = next((i for i, a in enumerate(reversed(self.added)) if not a), 0)
        return self.ids[: len(self.ids) - after]


def encode_text(tokenizer: Any, text: str, special: bool) -> Encoded:
    """Tokenises ``text``; ``special``: with the tokens that the tokenizer itself puts around a raw text."""
    if getattr(tokenizer, "is_fast", False):
        out = tokenizer(
            text,
            add_special_tokens=special,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        ids, spans = out["input_ids"], [(int(a), int(b)) for a, b in out["offset_mapping"]]
        added = [bool(m) and a == b for m, (a, b) in zip(out["special_tokens_mask"], spans, strict=True)]
        spans = merge_empty_spans(spans, added)
        if spans_rebuild_text(tokenizer, text, ids, spans, added):
            return Encoded(tuple(ids), tuple(spans), tuple(added), True)
        guess = tuple(spans)
    else:
        ids = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        added, guess = _added(tokenizer, text, ids, special), None
    spelled = _spelled(tokenizer, text, ids, added)
    if spelled is not None:
        return Encoded(tuple(ids), spelled, tuple(added), True)
    return Encoded(tuple(ids), guess or ((0, 0),) * len(ids), tuple(added), False)


def spans_rebuild_text(
    tokenizer: Any, text: str, ids: Sequence[int], spans: Sequence[Span], added: Sequence[bool]
) -> bool:
    """Returns whether ``text`` can be rebuilt from the tokens' own spans, group by group."""
    texts = token_texts(tokenizer, ids)
    lost = getattr(tokenizer, "unk_token_id", None)
    unknown = [i == lost for i in ids]
    at = 0
    for members, (start, end) in _groups(close_spans(spans, text), added):
        if start < at or not _DROPPED.fullmatch(text, at, start):
            return False
        at = end
        part = text[start:end]
        if len(members) == 1 and same_text(texts[members[0]], part):
            continue
        if all(unknown[i] or texts[i].isspace() for i in members) and any(unknown[i] for i in members):
            continue  # the unknown token stands for whatever its proven neighbours leave
        if not same_text(decode_ids(tokenizer, [ids[i] for i in members]), part):
            return False
    return _DROPPED.fullmatch(text, at) is not None


def same_text(decoded: str, part: str) -> bool:
    """Returns whether two texts are equal up to NFKC and to spaces, which tokenizers add, drop and merge."""
    return decoded == part or _plain(decoded) == _plain(part)


def _plain(text: str) -> str:
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def _groups(spans: Sequence[Span], added: Sequence[bool]) -> list[tuple[list[int], Span]]:
    """Groups tokens whose characters overlap; returns each group with its span."""
    out: list[tuple[list[int], Span]] = []
    for i, (start, end) in enumerate(spans):
        if added[i]:
            continue
        if out and start < out[-1][1][1]:
            members, (a, b) = out.pop()
            out.append(([*members, i], (min(a, start), max(b, end))))
        else:
            out.append(([i], (start, end)))
    return out


def _added(tokenizer: Any, text: str, ids: Sequence[int], special: bool) -> list[bool]:
    if not special:
        return [False] * len(ids)
    bare = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    for first in range(len(ids) - len(bare) + 1):
        if list(ids[first : first + len(bare)]) == list(bare):
            return [not first <= i < first + len(bare) for i in range(len(ids))]
    return [False] * len(ids)


def _spelled(tokenizer: Any, text: str, ids: Sequence[int], added: Sequence[bool]) -> tuple[Span, ...] | None:
    """Returns spans found by decoding, or None unless decoding gives ``text`` exactly (up to one space in front)."""
    inner = [i for i, a in zip(ids, added, strict=True) if not a]
    found, spans = spell_tokens(tokenizer, inner)
    shift = 1 if found == " " + text else -1 if " " + found == text else 0
    if shift == 0 and found != text:
        return None
    moved = iter([(max(0, a - shift), max(0, b - shift)) for a, b in spans])
    return tuple((0, 0) if a else next(moved) for a in added)
