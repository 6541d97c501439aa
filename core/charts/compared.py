"""The charts of Compare, by name: each lives in a module of its own, pages import them from here."""

from core.charts.agreement import agreement_chart
from core.charts.aligned import heatmaps
from core.charts.differences import difference, gained_lost
from core.charts.next_words import next_words

__all__ = ["agreement_chart", "difference", "gained_lost", "heatmaps", "next_words"]
