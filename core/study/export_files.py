"""Exports a study: its tables as CSV, Parquet and a workbook, its runs as inspect_ai logs, and its plan.

Guarded by tests/core/test_study_run.py and tests/core/test_study_eval_log_files.py.
"""

from __future__ import annotations

import io
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..settings import unwritable_sentence
from ..text.spreadsheet_text import guarded_csv
from . import database
from .cell_store import read_cell
from .column_labels import model_label
from .eval_log_files import eval_log_files
from .plan import Plan
from .plan_store import frozen_plan, given_plan
from .workbook import workbook_bytes

if TYPE_CHECKING:
    import pandas as pd


def export_tables(
    db: sqlite3.Connection, ident: str, runs: pd.DataFrame, instructions: pd.DataFrame, folder: Path
) -> list[Path]:
    """Writes every table and file of a study into ``folder``; returns the paths. Raises StoreError."""
    plan = given_plan(db)
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in (("runs", runs), ("instructions", instructions)):
            (folder / f"{name}.csv").write_text(guarded_csv(table), encoding="utf-8", newline="")
            table.to_parquet(folder / f"{name}.parquet", index=False)
            paths += [folder / f"{name}.csv", folder / f"{name}.parquet"]
        files = {"runs.xlsx": runs_workbook(runs, plan.name, ident, plan)} | study_logs(db, ident, runs)
        files["plan.json"] = plan.to_json().encode()
        for name, data in files.items():
            (folder / name).write_bytes(data)
            paths.append(folder / name)
    except OSError as error:
        raise StoreError(unwritable_sentence(folder, error, what="tables")) from error
    return paths


def runs_workbook(runs: pd.DataFrame, name: str, ident: str, plan: Plan | None) -> bytes:
    """Returns a table of runs as an .xlsx file with a sheet that says which study it is of. Raises StoreError."""
    about = {
        "Study": name,
        "Id": ident,
        "Plan (sha256)": "none: the table was opened from a file" if plan is None else plan.id,
        "Models": ", ".join(model_label(m) for m in runs["model"].unique()),
        "Written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return workbook_bytes(runs, about)


def study_logs(db: sqlite3.Connection, ident: str, runs: pd.DataFrame) -> dict[str, bytes]:
    """Returns {file name: bytes} of the inspect_ai logs of ``runs``, those of this study."""
    plan = frozen_plan(db)
    items = {item.id: item for item in plan.all_items()}

    def asked(cell: str) -> str:
        kept = read_cell(db, cell)
        messages = kept.request.messages if kept is not None else ()
        text = "\n\n".join(m.content for m in messages if m.role == "user")
        return text or ((kept.request.text if kept is not None else None) or "")

    began = float(database.get_note(db, "created") or 0)
    return eval_log_files(plan.name, ident, runs, items, asked, began)


def study_logs_archive(folder: Path, ident: str, runs: pd.DataFrame) -> bytes:
    """Returns a ZIP of the inspect_ai logs, one a model, of runs of the study in ``folder``. Raises StoreError."""
    out = io.BytesIO()
    with closing(database.connect(folder / database.FILE)) as db, zipfile.ZipFile(out, "w") as archive:
        for name, data in study_logs(db, ident, runs).items():
            archive.writestr(name, data)
    return out.getvalue()
