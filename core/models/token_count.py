"""Counts the tokens of a prompt from a model's files, so that one that is too long is told before the model is loaded.

The library behind fast tokenizers needs no torch: reading its file takes a second or two once, counting some 30,000
characters a tenth of one. Short prompts are not counted at all: a token is at least a byte. The chat template's markup
is not counted, so a count is a lower bound; ``core.capture.decode.check_length`` has the last word. Guarded by
tests/core/test_models_token_count.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import HeedError, PromptError, is_panic
from ..records import Request
from .file_metadata import read_metadata
from .model_key import files_of, known_kind, known_ref, locate, resolve

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; other languages and code have more tokens for as many characters."""


def estimated_tokens(texts: Sequence[str]) -> int:
    """Returns a guess of how many tokens the texts have, from their length alone."""
    return round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)


def count_tokens(model: str, texts: Sequence[str]) -> int | None:
    """Returns how many tokens the texts have for a model by name, without markup; None where its files cannot tell."""
    folder = files_of(locate(model))
    file = None if folder is None else folder / "tokenizer.json"
    if file is None or not file.is_file():
        return None
    try:
        tokenizer = _tokenizer(file, file.stat().st_mtime_ns)
        return sum(len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=False))
    except BaseException as error:  # a file of another version or a damaged one; loading then says what is wrong
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return None


@lru_cache(maxsize=2)
def _tokenizer(file: Path, _changed: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def most_tokens(model: str) -> int | None:
    """Returns how many tokens a model by name can read at most, as far as it is known without loading it."""
    try:
        ref = known_ref(resolve(model))
        folder = files_of(locate(model))
        return (ref.context if ref else read_metadata(folder).context if folder else 0) or None
    except HeedError:
        return None


def check_fits(request: Request) -> None:
    """Raises PromptError with the remedy where prompt and answer surely have more tokens than the model can read."""
    limit, name = most_tokens(request.model.name), request.model.name
    new = len(request.answer_ids or ()) if request.scored else request.max_new_tokens
    texts = [m.content for m in request.messages] or [request.text or ""]
    given = request.answer or ""
    size = len(request.token_ids or ()) + sum(len(text.encode("utf-8", "replace")) for text in (*texts, given))
    kind = known_kind(name)
    if limit is None or size + new <= limit or kind == "encoder":  # which writes nothing, and is told so
        return
    prompt = len(request.token_ids) if request.token_ids is not None else count_tokens(name, texts)
    scored = count_tokens(name, [given])
    if prompt is None or scored is None:
        return
    new, both = new + scored, kind == "encdec"
    if (max(prompt, new) if both else prompt + new) > limit:
        raise PromptError(
            f"The prompt has {prompt:,} tokens and {new:,} more are asked for, but {locate(name).label} reads at most "
            f"{limit:,}{' of each' * both}: shorten the prompt, take a document out, or ask for fewer new tokens."
        )
