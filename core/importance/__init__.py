"""From attention rows to importance: methods, sinks, granularity, and what stands out."""

from .by_head import read_by_head
from .explain import GRANULARITIES, SINKS, explain, group_rows
from .methods import METHODS, Method, get_method
from .reading_summary import ReadWord, answer_mean, reading_sentence, standing_out, step_weights

__all__ = [
    "GRANULARITIES",
    "METHODS",
    "SINKS",
    "Method",
    "ReadWord",
    "answer_mean",
    "explain",
    "get_method",
    "group_rows",
    "read_by_head",
    "reading_sentence",
    "standing_out",
    "step_weights",
]
