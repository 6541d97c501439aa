"""Reads the records of a drawn chart back, wherever Altair put them."""

from __future__ import annotations

from typing import Any


def records_with(chart: Any, *fields: str) -> list[dict[str, Any]]:
    """The first dataset of a chart (or its dict) whose records have these fields."""
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    for found in _datasets(spec):
        if found and set(fields) <= found[0].keys():
            return found
    raise AssertionError(f"no records with {fields}")


def _datasets(spec: Any) -> list[list[dict[str, Any]]]:
    if isinstance(spec, list):
        return [d for part in spec for d in _datasets(part)]
    if not isinstance(spec, dict):
        return []
    own = (
        [spec["values"]]
        if isinstance(spec.get("values"), list) and all(isinstance(v, dict) for v in spec["values"])
        else []
    )
    named = list(spec["datasets"].values()) if isinstance(spec.get("datasets"), dict) else []
    return own + named + [d for key, part in spec.items() if key != "datasets" for d in _datasets(part)]
