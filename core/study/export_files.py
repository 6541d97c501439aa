"""Exports a study's tables as CSV and Parquet, with its plan.

Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..settings import unwritable_sentence

if TYPE_CHECKING:
    import pandas as pd


def export_tables(tables: Mapping[str, pd.DataFrame], plan: str, folder: Path) -> list[Path]:
    """Writes ``{name: table}`` (.csv, .parquet) and plan.json into ``folder``; returns the paths. Raises StoreError."""
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
            table.to_parquet(folder / f"{name}.parquet", index=False)
            paths += [folder / f"{name}.csv", folder / f"{name}.parquet"]
        (folder / "plan.json").write_text(plan, encoding="utf-8")
    except OSError as error:
        raise StoreError(unwritable_sentence(folder, error, what="tables")) from error
    return [*paths, folder / "plan.json"]
