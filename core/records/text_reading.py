"""The record of a text that a model read: attention maps of every kind the model has, and what it says of the text."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MethodError
from .arrays import check_shape, set_fields
from .attention_maps import AttentionMaps, MapKind
from .request import ModelRef
from .text_request import TextRequest

START_TOKEN = "(start)"
"""The name of the token that a decoder behind an encoder begins with; families use padding, end or language for it."""


@dataclass(frozen=True)
class MaskedToken:
    """The tokens that an encoder finds likeliest in the place of one mask token, best first."""

    position: int
    """Place of the mask token among the tokens of the text."""
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        set_fields(self, ids=tuple(self.ids), texts=tuple(self.texts), probabilities=tuple(self.probabilities))
        for name in ("texts", "probabilities"):
            check_shape(name, (len(getattr(self, name)),), (len(self.ids),))


@dataclass(frozen=True, eq=False)
class TextReading:
    """One text as a model read it: the attention of every token, nothing averaged.

    A decoder has ``self`` (the causal square over the text), an encoder ``encoder`` (the square over the text or pair),
    an encoder-decoder ``encoder`` (over the input), ``self`` (its decoder over the start token and the output so far)
    and ``cross`` (output x input). In ``self`` of an encoder-decoder queries and keys are the start token and all
    output but the last token; in ``cross`` row t is named by output token t, which it predicted.
    """

    request: TextRequest
    model: ModelRef
    maps: tuple[AttentionMaps, ...]
    """One for each kind of attention that the model has."""
    masked: tuple[MaskedToken, ...] = ()
    """One for each mask token in the text, where the model has a head for masked words."""
    written: str = ""
    """What an encoder-decoder wrote, or was given as its output."""
    notes: tuple[str, ...] = ()
    """What a reader should know, in sentences."""
    created: str = ""
    """ISO time, UTC."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        set_fields(self, maps=tuple(self.maps), masked=tuple(self.masked), notes=tuple(self.notes))

    @property
    def id(self) -> str:
        """Id of the reading: the hash of its request."""
        return self.request.id

    @property
    def kinds(self) -> tuple[MapKind, ...]:
        """The kinds of attention that there are."""
        return tuple(maps.kind for maps in self.maps)

    @property
    def by_kind(self) -> dict[MapKind, AttentionMaps]:
        """The maps by their kind."""
        return {maps.kind: maps for maps in self.maps}

    def of(self, kind: MapKind) -> AttentionMaps:
        """Returns the maps of one kind. Raises MethodError, which names those there are."""
        for maps in self.maps:
            if maps.kind == kind:
                return maps
        raise MethodError(f"{self.model.label} has no {kind} attention here: choose {' or '.join(self.kinds)}.")
