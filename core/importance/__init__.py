"""From attention rows to importance: methods, sinks, granularity, and what stands out."""

from core.importance.explain import GRANULARITIES, SINKS, explain, group_rows
from core.importance.heads import read_by_head
from core.importance.methods import METHODS, Method, get_method
from core.importance.reading import Reading, answer_mean, sentence, standing_out, step_weights

__all__ = [
    "GRANULARITIES",
    "METHODS",
    "SINKS",
    "Method",
    "Reading",
    "answer_mean",
    "explain",
    "get_method",
    "group_rows",
    "read_by_head",
    "sentence",
    "standing_out",
    "step_weights",
]
