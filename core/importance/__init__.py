"""Computes importance from attention rows: methods, treatment of the sink, units, and words that stand out."""

from ..text.units import GRANULARITIES
from .by_head import read_by_head
from .explain import SINKS, explain, explain_by, group_columns, group_rows
from .method_input import MethodInput
from .methods import (
    DEFAULT_METHOD,
    METHODS,
    PICKED_METHOD,
    Method,
    default_study_methods,
    get_method,
    keeps_heads,
    method_problem,
    offered_methods,
    share_noun,
    study_methods,
)
from .reading_summary import ReadWord, answer_mean, answer_rows, own_units, reading_sentence, standing_out, step_weights
from .sinks import find_sinks, only_sinks, sinks_word

__all__ = [
    "DEFAULT_METHOD",
    "GRANULARITIES",
    "METHODS",
    "PICKED_METHOD",
    "SINKS",
    "Method",
    "MethodInput",
    "ReadWord",
    "answer_mean",
    "answer_rows",
    "default_study_methods",
    "explain",
    "explain_by",
    "find_sinks",
    "get_method",
    "group_columns",
    "group_rows",
    "keeps_heads",
    "method_problem",
    "offered_methods",
    "only_sinks",
    "own_units",
    "read_by_head",
    "reading_sentence",
    "share_noun",
    "sinks_word",
    "standing_out",
    "step_weights",
    "study_methods",
]
