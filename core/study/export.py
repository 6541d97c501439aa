"""A study as files that others can read: both tables as CSV and Parquet, and the plan they were made by.

Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import StoreError
from core.settings import unwritable

if TYPE_CHECKING:
    from core.study.study import Study


def export(study: Study, folder: Path) -> list[Path]:
    """Writes runs and instructions (.csv, .parquet) and plan.json into ``folder``; the paths. Raises StoreError."""
    tables = {"runs": study.table(), "instructions": study.instructions()}
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
            table.to_parquet(folder / f"{name}.parquet", index=False)
            paths += [folder / f"{name}.csv", folder / f"{name}.parquet"]
        plan = folder / "plan.json"
        plan.write_text(study.plan.to_json(), encoding="utf-8")
    except OSError as error:
        raise StoreError(unwritable(folder, error, what="tables")) from error
    return [*paths, plan]
