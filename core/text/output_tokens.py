"""Appends the generated tokens to the prompt's: returns the Tokens of the whole run.

The answer is what a reader reads: control tokens, a thinking block and the stop text are left out. Spaces at its
beginning stay, so that it equals what the tokenizer decodes. Guarded by tests/core/test_text_output_tokens.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..records import Source, Span, Tokens
from .detokenise import close_spans, spell_tokens, token_texts
from .rendered_prompt import RenderedPrompt
from .special_tokens import special_ids, strip_tokens
from .thinking_blocks import thinking_end


def with_output(
    tokenizer: Any,
    prompt: RenderedPrompt | Tokens,
    output_ids: Sequence[int],
    *,
    end_ids: Collection[int] = frozenset(),
    thinking_open: bool | None = None,
    stop: Sequence[str] = (),
) -> Tokens:
    """Returns the Tokens of prompt and output, N in all.

    ``end_ids``: tokens that end an answer; at the very end they are part "end". ``thinking_open``: the output begins
    inside a thinking block (None: as the RenderedPrompt says). ``stop``: texts that ended the run; the answer ends
    before the first of them, and tokens that lie in it are part "end". Sources gain the thinking (where there is any)
    and, always last, the answer.
    """
    tokens = prompt.tokens if isinstance(prompt, RenderedPrompt) else prompt
    if thinking_open is None:
        thinking_open = isinstance(prompt, RenderedPrompt) and prompt.thinking_open
    ids = [int(i) for i in output_ids]
    ends = next((k for k, i in enumerate(reversed(ids)) if i not in end_ids), len(ids))
    body = ids[: len(ids) - ends]
    text, spans = spell_tokens(tokenizer, body)
    cut = thinking_end(text, thinking_open)
    thinking = [a < cut or (b <= cut and cut == len(text)) for a, b in spans]
    special = special_ids(tokenizer)
    hidden = [i in special and not t for i, t in zip(body, thinking, strict=True)]
    answer, placed, parts = _answer(text, spans, hidden, cut, stop)
    sources = list(tokens.sources)
    if cut:
        sources.append(Source(text[:cut], "assistant", "model"))
        for k, (a, b) in enumerate(close_spans([(a, min(b, cut)) for a, b in spans], text[:cut])):
            if thinking[k]:
                placed[k], parts[k] = (len(sources) - 1, a, b), "thinking"
    sources.append(Source(answer, "assistant", "model"))
    here = len(sources) - 1
    homes = [here if m is None else m for m, _, _ in placed]
    rows = [(m, a, b) if b > a else (m, -1, -1) for m, (_, a, b) in zip(homes, placed, strict=True)]
    rows += [(-1, -1, -1)] * ends
    return _joined(tokenizer, tokens, ids, rows, parts + ["end"] * ends, tuple(sources))


def _answer(
    text: str, spans: Sequence[Span], hidden: Sequence[bool], cut: int, stop: Sequence[str]
) -> tuple[str, list[tuple[int | None, int, int]], list[str]]:
    """Returns (answer, per token (None = the answer, start, end), per token its part) of the text behind ``cut``."""
    moved = [(max(0, a - cut), max(0, b - cut)) for a, b in spans]
    answer, moved = strip_tokens(text[cut:], moved, hidden)
    found = [answer.find(s) for s in stop if s and s in answer]
    last = min(found, default=len(answer))
    placed: list[tuple[int | None, int, int]] = []
    parts = []
    answer = answer[:last]
    for (a, b), away in zip(close_spans([(a, min(b, last)) for a, b in moved], answer), hidden, strict=True):
        after = bool(found) and a >= last
        parts.append("end" if after else "answer")
        placed.append((-1, -1, -1) if away or after else (None, a, b))
    return answer, placed, parts


def _joined(
    tokenizer: Any,
    tokens: Tokens,
    ids: Sequence[int],
    rows: Sequence[tuple[int, int, int]],
    parts: Sequence[str],
    sources: tuple[Source, ...],
) -> Tokens:
    new = np.array(rows, np.int32).reshape(-1, 3)
    return Tokens(
        ids=np.concatenate([tokens.ids, np.array(ids, np.int64)]),
        texts=tokens.texts + token_texts(tokenizer, ids),
        message=np.concatenate([tokens.message, new[:, 0]]),
        start=np.concatenate([tokens.start, new[:, 1] if tokens.proven else np.full(len(ids), -1, np.int32)]),
        end=np.concatenate([tokens.end, new[:, 2] if tokens.proven else np.full(len(ids), -1, np.int32)]),
        roles=tokens.roles + ("assistant",) * len(ids),
        parts=tokens.parts + tuple(parts),
        sources=sources,
        proven=tokens.proven,
    )
