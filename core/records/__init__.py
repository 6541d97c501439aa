"""The values that flow through Heed: Request -> Trace -> Importance, and what is made beside a Trace.

Axis order everywhere: ``layer, head, step, key``. ``P`` is the number of prompt tokens, ``T`` the
number of output tokens (steps, the end token included), ``N = P + T`` and ``K = P + T - 1`` the number
of keys that any step can read. **The row of step t is the query row of the token before it** (position
P - 1 + t): that row predicted token t. The rows of an encoder-decoder are its cross-attention: the P input
tokens are read, the columns of output stay zero. Arrays are made read-only, so that a record can be shared.

numpy only, frozen, checked when made. To add a field: say its shape in the docstring, check it in
``__post_init__``, raise ``SCHEMA`` if the meaning of a stored record changes. Guarded by
tests/core/test_store_serialise.py (every record) and by the tests of what makes each.
"""

from .attention_maps import AttentionMap, AttentionMaps, MapKind, MapSeries, MapTokens, map_tokens
from .attribution import ATTRIBUTIONS, Attribution
from .comparison import STATUS, Agreement, Aligned, Comparison
from .components import UNKNOWN_LAYERS, Components
from .grid_records import AnswerGrid, AnswerVerdict, AnswerWord, CellState, GridAnswer
from .head_weights import HeadWeights
from .importance import Importance, Units
from .probe import NextTokens, Probe
from .request import SCHEMA, WITH_HEADS, Message, MessageSpan, ModelKey, ModelKind, ModelRef, Request, Segment, Span
from .steered_answers import SteeredAnswers
from .steering import (
    LADDER,
    LARGEST_FACTOR,
    Steering,
    factor_text,
    joined_spans,
    log_factor,
    pasta,
    steering_label,
)
from .study_records import SLICES, Answered, Digest, Instruction, Item
from .switched_off import PART_KINDS, Part, SwitchedOff, all_blocks, all_heads
from .text_reading import START_TOKEN, MaskedToken, TextReading
from .text_request import TextRequest
from .trace import (
    FINISH,
    MAX,
    MEAN,
    PARTS,
    ROLES,
    SCALE,
    SEGMENTS,
    TOP,
    WRITTEN,
    Rows,
    Source,
    Tokens,
    Trace,
    rows_bytes,
    steps_that_fit,
)

__all__ = [
    "ATTRIBUTIONS",
    "FINISH",
    "LADDER",
    "LARGEST_FACTOR",
    "MAX",
    "MEAN",
    "PARTS",
    "PART_KINDS",
    "ROLES",
    "SCALE",
    "SCHEMA",
    "SEGMENTS",
    "SLICES",
    "START_TOKEN",
    "STATUS",
    "TOP",
    "UNKNOWN_LAYERS",
    "WITH_HEADS",
    "WRITTEN",
    "Agreement",
    "Aligned",
    "AnswerGrid",
    "AnswerVerdict",
    "AnswerWord",
    "Answered",
    "AttentionMap",
    "AttentionMaps",
    "Attribution",
    "CellState",
    "Comparison",
    "Components",
    "Digest",
    "GridAnswer",
    "HeadWeights",
    "Importance",
    "Instruction",
    "Item",
    "MapKind",
    "MapSeries",
    "MapTokens",
    "MaskedToken",
    "Message",
    "MessageSpan",
    "ModelKey",
    "ModelKind",
    "ModelRef",
    "NextTokens",
    "Part",
    "Probe",
    "Request",
    "Rows",
    "Segment",
    "Source",
    "Span",
    "SteeredAnswers",
    "Steering",
    "SwitchedOff",
    "TextReading",
    "TextRequest",
    "Tokens",
    "Trace",
    "Units",
    "all_blocks",
    "all_heads",
    "factor_text",
    "joined_spans",
    "log_factor",
    "map_tokens",
    "pasta",
    "rows_bytes",
    "steering_label",
    "steps_that_fit",
]
