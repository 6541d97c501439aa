"""From attention rows to importance: methods, sinks, granularity, and what stands out."""

from .by_head import read_by_head
from .explain import GRANULARITIES, SINKS, explain, group_rows
from .methods import (
    DEFAULT_METHOD,
    METHODS,
    PICKED_METHOD,
    Method,
    MethodInput,
    default_study_methods,
    get_method,
    study_methods,
)
from .reading_summary import ReadWord, answer_mean, reading_sentence, standing_out, step_weights

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
    "default_study_methods",
    "explain",
    "get_method",
    "group_rows",
    "read_by_head",
    "reading_sentence",
    "standing_out",
    "step_weights",
    "study_methods",
]
