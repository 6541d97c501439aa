"""Writes a study as logs that inspect_ai opens: one ``.eval`` file a model, one sample a run.

A sample's id is its item and structure, its epoch the place of its seed. Yes and no are written as C and I, other
metrics as numbers; what is undefined has no score. Descriptors and features stay out: they are no scores. The ZIP is
packed with deflate, which every reader knows. Format: inspect_ai 0.3, log version 2. Guarded by
tests/core/test_study_eval_log_files.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import Item
from ..settings import versions
from .column_labels import column_description, is_binary, metrics_of
from .quality.metrics import get_metric

if TYPE_CHECKING:
    import pandas as pd


def eval_log_files(
    name: str,
    ident: str,
    runs: pd.DataFrame,
    items: Mapping[str, Item],
    prompt_of: Callable[[str], str],
    created: float,
) -> dict[str, bytes]:
    """Returns {file name: its bytes}, a file for each model of the study's table ``runs``.

    ``name`` and ``ident`` of the study; ``items`` {prompt_id: Item}; ``prompt_of``: from a cell to what its model was
    asked; ``created``: when the study began, seconds since the epoch.
    """
    found: dict[str, bytes] = {}
    for model, rows in runs[runs["error"].eq("")].groupby("model", sort=False):
        scored = [m for m in metrics_of(rows.columns) if _is_score(m) and rows[m].notna().any()]
        samples = [_sample(row, scored, items.get(row["prompt_id"]), prompt_of) for row in rows.to_dict("records")]
        _number_epochs(samples)
        head = _header(name, f"{ident}-{model}", str(model), samples, scored, rows, created)
        short = re.split(r"[/\\]", str(model))[-1]
        place = re.sub(r"[^\w.-]+", "-", f"{name}-{short}").strip("-")[:100]
        if f"{place}.eval" in found:
            place += f"-{len(found) + 1}"
        found[f"{place}.eval"] = _zip(head, samples)
    return found


def _is_score(column: str) -> bool:
    metric = get_metric(column)
    return metric is not None and metric.kind in ("outcome", "proxy")


def _sample(
    row: Mapping[str, Any], scored: Sequence[str], item: Item | None, prompt_of: Callable[[str], str]
) -> dict[str, Any]:
    prompt, answer, model = prompt_of(row["cell"]), str(row["answer"]), str(row["model"])
    told = {"role": "assistant", "content": answer, "source": "generate", "model": model}
    control = " · position control" if row["control"] else ""
    references = list(item.reference) if item is not None else []
    stop = "max_tokens" if row["truncated"] else "stop"
    return {
        "id": f"{row['prompt_id']} · {row['structure']}{control}",
        "epoch": 1,
        "input": prompt,
        "target": references[0] if len(references) == 1 else references or "",
        "messages": [{"role": "user", "content": prompt, "source": "input"}, told],
        "output": {"model": model, "choices": [{"message": told, "stop_reason": stop}], "completion": answer},
        "scores": {m: {"value": _value(m, row[m]), "answer": answer} for m in scored if np.isfinite(row[m])},
        "metadata": {
            **{k: row[k] for k in ("prompt_id", "task", "structure", "run")},
            **{"control": bool(row["control"]), "seed": int(row["seed"])},
        },
    }


def _value(metric: str, value: float) -> str | float:
    return ("C" if value else "I") if is_binary(metric) else float(value)


def _number_epochs(samples: list[dict[str, Any]]) -> None:
    """Gives runs of one item in one structure their epochs: 1, 2, 3 in the order of their seeds."""
    seen: dict[str, int] = {}
    for sample in sorted(samples, key=lambda s: s["metadata"]["seed"]):
        sample["epoch"] = seen[sample["id"]] = seen.get(sample["id"], 0) + 1


def _header(
    name: str,
    ident: str,
    model: str,
    samples: Sequence[Mapping[str, Any]],
    scored: Sequence[str],
    rows: pd.DataFrame,
    created: float,
) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds")
    mark = hashlib.sha256(ident.encode()).hexdigest()[:22]
    ids = list(dict.fromkeys(s["id"] for s in samples))
    known = {"name": "mean", "options": {}}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            **{"eval_id": mark, "run_id": mark, "task_id": mark, "created": at, "task": name, "task_version": 0},
            **{"task_attribs": {}, "task_args": {}, "model": model, "model_args": {}, "model_generate_config": {}},
            "dataset": {"name": name, "samples": len(ids), "sample_ids": ids, "shuffled": False},
            "config": {"epochs": max((s["epoch"] for s in samples), default=1)},
            "packages": {"heed": dict(versions())["heed"]},
            "metadata": {"written_by": "Heed", "study": ident, "scores": {m: column_description(m) for m in scored}},
            "scorers": [{"name": m, "options": {}, "metrics": [known], "metadata": {}} for m in scored],
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [
                {
                    **{"name": m, "scorer": m, "params": {}, "scored_samples": int(rows[m].notna().sum())},
                    **{"unscored_samples": int(rows[m].isna().sum())},
                    "metrics": {"mean": {"name": "mean", "value": float(rows[m].mean()), "params": {}}},
                }
                for m in scored
            ],
        },
        "stats": {"started_at": at, "completed_at": at, "model_usage": {}},
    }


def _zip(head: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, plain: Any) -> None:
            archive.writestr(name, json.dumps(plain, ensure_ascii=False))

        put("_journal/start.json", {k: head[k] for k in ("version", "eval", "plan")})
        for sample in samples:  # a sample is looked up by this name
            put(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", sample)
        keys = ("id", "epoch", "input", "target", "metadata", "scores")
        put("summaries.json", [{k: s[k] for k in keys} | {"completed": True} for s in samples])
        put("header.json", head)
    return out.getvalue()
