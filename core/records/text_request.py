"""The record of what attention maps are asked of: a model and a text whose every token is a query."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

from ..checks import check_ids, check_text, check_whole
from ..errors import PromptError
from .arrays import set_fields
from .request import SCHEMA, ModelKey


@dataclass(frozen=True)
class TextRequest:
    """A text, or a pair of texts, that a model reads while every token's attention is kept.

    ``text`` or ``token_ids`` (the tokens of a stored run) is given. ``second`` is the other text of a pair for an
    encoder, and the given output for an encoder-decoder, which writes one itself where it is empty. ``id`` is the
    sha256 of the canonical JSON. Raises PromptError where both or neither are given.
    """

    model: ModelKey
    text: str = ""
    second: str = ""
    token_ids: tuple[int, ...] = ()
    max_new_tokens: int = 64
    """Most tokens that an encoder-decoder writes."""
    versions: tuple[tuple[str, str], ...] = ()
    """Libraries that the numbers depend on, as sorted (name, version) pairs."""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        set_fields(
            self,
            text=check_text("The text", self.text),
            second=check_text("The second text", self.second),
            token_ids=check_ids("The text", self.token_ids) if len(self.token_ids) else (),
            max_new_tokens=check_whole("New tokens (max_new_tokens)", self.max_new_tokens, 1, 100_000),
        )
        if self.text and self.token_ids:
            raise PromptError("Give the text as text or as token ids, not both.")
        if not self.text.strip() and not self.token_ids:
            raise PromptError("The text is empty: write something for the model to read.")

    @cached_property
    def canonical(self) -> str:
        """The JSON behind ``id``."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """sha256 (hex) of ``canonical``: under it the maps are stored."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()
