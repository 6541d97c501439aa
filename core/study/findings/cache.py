"""Computes findings of opened tables and stores them in the study's folder, so that they survive a restart.

A folder ``findings-NAME`` holds each table as Parquet and the rest as JSON; NAME is a hash of study, filter and version
of the table, so that stored findings are never stale. The format does not depend on the fields of ``Findings``:
whatever fields the record has are written and read. Guarded by tests/core/test_findings_cache.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...progress import IsCancelled
from ...seals import with_seal, without_seal
from ...unfinished import unfinished_prefix
from .source import OpenedStudy

if TYPE_CHECKING:
    import pandas as pd

    from .record import Findings

FILES = "sha256 of files"
"""The key of ``plain.json`` that holds the hashes of the tables beside it; findings of older versions have none."""
SHIPPED = "findings"
"""Name of a folder that comes with a study, with the findings of all its runs."""
ANALYSIS = 2
"""Raised when the same tables give other findings, so that older ones are computed again."""
MOST_FINDINGS = 6
"""Most stored findings of one study; older ones are deleted."""


def findings_name(opened: OpenedStudy) -> str:
    """Returns the name under which the findings of these tables are stored: a hash of study, plan and all numbers."""
    text = json.dumps([opened.id, opened.version, opened.plan.id if opened.plan else "", ANALYSIS])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def compute_opened(
    opened: OpenedStudy,
    *,
    slow: bool = True,
    prediction: pd.DataFrame | None = None,
    permutations: int = 999,
    resamples: int = 999,
    progress: Callable[..., None] | None = None,
    cancelled: IsCancelled | None = None,
) -> Findings:
    """Computes the findings of these tables; ``slow`` with predictions, else with ``prediction`` where that is known.

    Raises Cancelled and StudyError.
    """
    from .analysis import compute_findings

    return compute_findings(
        opened.every_run,
        opened.instructions,
        opened.heads if opened.study else None,
        opened.plan,
        entropies=opened.head_entropies if opened.study else None,
        prompts=opened.prompts(),
        slow=slow,
        prediction=prediction,
        permutations=permutations,
        resamples=resamples,
        progress=progress,
        cancelled=cancelled,
    )


def save_findings(found: Findings, folder: Path | None, name: str) -> None:
    """Stores ``found`` below ``folder`` (None: nowhere). A full disk or a read-only folder is no failure."""
    if folder is None:
        return
    with contextlib.suppress(OSError):
        write_findings(found, folder / f"findings-{name}")
        others = [path for path in folder.glob("findings-*") if path.name != f"findings-{name}"]
        for old in sorted(others, key=lambda p: p.stat().st_mtime)[: -(MOST_FINDINGS - 1)]:
            shutil.rmtree(old, ignore_errors=True)


def load_findings(folder: Path | None, name: str) -> Findings | None:
    """Returns what ``save_findings`` stored; None where it is not there or cannot be read."""
    if folder is None:
        return None
    for at in (folder / f"findings-{name}", folder / SHIPPED):
        if at.is_dir():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                if at.name != SHIPPED or (at / "name.txt").read_text("utf-8").strip() == name:
                    return read_findings(at)
    return None


def write_findings(found: Findings, at: Path, name: str = "") -> None:
    """Writes all of ``found`` as a folder, in one step. ``name``: what a shipped folder belongs to."""
    import pandas as pd

    new = at.with_name(f"{unfinished_prefix('.findings-')}{uuid4().hex[:8]}")
    new.mkdir(parents=True)
    plain: dict[str, Any] = {}
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, pd.DataFrame):
            if not len(value.columns) and field.default_factory is not MISSING:
                continue  # a table that this study has not; findings of older versions lack it too
            value.to_parquet(new / f"{field.name}.parquet")
        elif isinstance(value, dict) and all(isinstance(v, pd.DataFrame) for v in value.values()):
            plain[field.name] = {"pairs": [list(k) for k in value]}
            for i, table in enumerate(value.values()):
                table.to_parquet(new / f"{field.name}-{i}.parquet")
        else:
            plain[field.name] = {"list" if isinstance(value, tuple) else "value": value}
    plain[FILES] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(new.iterdir())}
    (new / "plain.json").write_text(json.dumps(with_seal(plain)), "utf-8")
    if name:
        (new / "name.txt").write_text(name, "utf-8")
    shutil.rmtree(at, ignore_errors=True)
    new.rename(at)


def read_findings(at: Path) -> Findings:
    """Reads what ``write_findings`` wrote. Raises OSError, ValueError, KeyError or TypeError for anything else."""
    import pandas as pd

    from .record import Findings

    plain = without_seal(json.loads((at / "plain.json").read_text("utf-8")))
    for name, known in plain.pop(FILES, {}).items():
        if hashlib.sha256((at / name).read_bytes()).hexdigest() != known:
            raise ValueError(f"{name} was truncated or edited")
    values: dict[str, Any] = {}
    for field in fields(Findings):
        kept = plain.get(field.name)
        if kept is None and field.default_factory is not MISSING and not (at / f"{field.name}.parquet").exists():
            continue
        if kept is None and field.default is not MISSING:
            continue
        if kept is None:
            values[field.name] = pd.read_parquet(at / f"{field.name}.parquet")
        elif "pairs" in kept:
            tables = [pd.read_parquet(at / f"{field.name}-{i}.parquet") for i in range(len(kept["pairs"]))]
            values[field.name] = {tuple(k): t for k, t in zip(kept["pairs"], tables, strict=True)}
        else:
            values[field.name] = tuple(kept["list"]) if "list" in kept else kept["value"]
    return Findings(**values)
