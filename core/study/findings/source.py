"""Opens a study's tables for the page Findings: from a study of this machine, the example, or an uploaded file.

Wherever a table comes from, the same is checked and filled in: prompt, task, structure and model of each run are
required; all else may be missing. Guarded by tests/core/test_findings_source.py.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import StudyError
from ...text.spreadsheet_text import unguarded_table
from ..features import get_feature
from ..plan import Plan
from ..quality.metrics import get_metric
from ..table_limits import TABLE_BYTES, csv_problem, read_parquet_table
from ..unsteered_runs import FACTOR, PLAIN_LOGPROB, STEERED, steered_only, unsteered
from .record import NEEDED_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

FILTERS = ("model", "task", "structure")
EXAMPLE, STEERING_EXAMPLE = "example", "steering-example"
"""Ids of the studies that come with Heed."""
NO_MEMORY_FOR_TABLE = "There is not enough memory for {name}: keep fewer columns or rows, or close other programs."
_MADE = {"control": False, "seed": 0, "run": "", "truncated": False, "answer": "", "error": "", "finish": "", "why": ""}


@dataclass(frozen=True, eq=False)
class OpenedStudy:
    """The tables of one study."""

    id: str
    name: str
    runs: pd.DataFrame
    """One row per run that was not steered, columns as in docs/studies.md."""
    instructions: pd.DataFrame | None = None
    plan: Plan | None = None
    study: str = ""
    """Id of the study on this machine, which has single heads and can recompute runs; "" for tables of files."""
    folder: Path | None = None
    """Folder in which findings are stored; None: nowhere."""
    steered: pd.DataFrame | None = None
    """The steered runs, with the same columns; None: there is none."""

    def __post_init__(self) -> None:
        """Takes the steered runs out of ``runs``: here, once, for every page, figure and statistic."""
        if self.steered is None and STEERED in self.runs.columns:
            object.__setattr__(self, "steered", steered_only(self.runs))
            object.__setattr__(self, "runs", unsteered(self.runs))

    @property
    def steered_count(self) -> int:
        """Number of steered runs."""
        return 0 if self.steered is None else len(self.steered)

    @cached_property
    def every_run(self) -> pd.DataFrame:
        """``runs`` and the steered ones below them: what is computed with, downloaded, and hashed."""
        import pandas as pd

        return self.runs if self.steered is None else pd.concat([self.runs, self.steered], ignore_index=True)

    @cached_property
    def version(self) -> str:
        """Hash that changes when a number of the table does."""
        return table_version(self.every_run)

    def heads(self, rows: pd.DataFrame, part: str = "all") -> Any:
        """Returns float32 [run, feature] of single heads, as ``Study.heads``."""
        from ..study import Study

        with closing(Study(self.study)) as study:
            return study.heads(rows, part)

    def head_entropies(self, rows: pd.DataFrame, part: str = "all") -> Any:
        """Returns float32 [run, head] of single heads, as ``Study.head_entropies``."""
        from ..study import Study

        with closing(Study(self.study)) as study:
            return study.head_entropies(rows, part)

    def prompts(self) -> dict[str, str] | None:
        """Returns {prompt_id: the item's own words}; None without the study or its texts."""
        from ..study import Study

        if not self.study:
            return None
        with closing(Study(self.study)) as study:
            return study.prompts()


def check_runs(table: pd.DataFrame, name: str = "The table") -> pd.DataFrame:
    """Returns ``table`` with every column that pages need. Raises StudyError, one sentence."""
    import numpy as np
    import pandas as pd

    missing = [c for c in NEEDED_COLUMNS if c not in table]
    if missing:
        raise StudyError(
            f"{name} has no column {missing[0]}: a runs table has prompt_id, task, structure, model, then metrics and "
            "features, as in the CSV that Study and Findings offer."
        )
    if not len(table):
        raise StudyError(f"{name} has no run: open a table with at least one row.")
    values = [c for c in table if _is_value(c)]
    if not values:
        raise StudyError(f"{name} has no metric and no feature: a column is one of them by its name, e.g. correct.")
    out = table.copy(deep=False)  # pandas copies what is written to
    for column in [*values, *(c for c in (FACTOR, PLAIN_LOGPROB) if c in out and c not in values)]:
        if out[column].dtype != np.float64:
            out[column] = pd.to_numeric(out[column], errors="coerce").astype(float)
        if np.isinf(out[column].to_numpy()).any():
            out[column] = out[column].where(out[column].abs() != float("inf"))
    for column, usual in _MADE.items():
        out[column] = out[column].fillna(usual) if column in out else usual
    for column in ("control", "truncated"):
        if out[column].dtype != bool:
            out[column] = out[column].map(_yes).astype(bool)
    for column in (*NEEDED_COLUMNS, "run", "answer", "error", "finish", *([STEERED] if STEERED in out else [])):
        out[column] = out[column].fillna("").astype(str)
    if "cell" not in out or out["cell"].duplicated().any():
        out["cell"] = [f"row-{i + 1}" for i in range(len(out))]
    out["cell"] = out["cell"].astype(str)
    return out.reset_index(drop=True)


def _is_value(column: str) -> bool:
    """Returns whether a column holds a metric or a feature."""
    return get_metric(column) is not None or get_feature(column) is not None


def _yes(value: Any) -> bool:
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def table_version(runs: pd.DataFrame) -> str:
    """Returns the sha256 of the numbers of a runs table, shortened."""
    from pandas.util import hash_pandas_object

    also = (*NEEDED_COLUMNS, "control", "cell", "error", STEERED, FACTOR, PLAIN_LOGPROB)
    own = runs[[c for c in runs if _is_value(c) or c in also]]
    found = hashlib.sha256(",".join(map(str, own.columns)).encode())
    found.update(hash_pandas_object(own, index=False).to_numpy().tobytes())
    return found.hexdigest()[:16]


def open_table(name: str, data: bytes) -> OpenedStudy:
    """Opens a runs table from a CSV or Parquet file. Raises StudyError, one sentence."""
    own = f"file-{hashlib.sha256(data).hexdigest()[:12]}"
    return OpenedStudy(own, name, check_runs(read_table(name, data), name))


def read_table(name: str, data: bytes) -> pd.DataFrame:
    """Reads a CSV or Parquet file as a table. Raises StudyError, one sentence."""
    import pandas as pd

    if len(data) > TABLE_BYTES:
        raise StudyError(f"{name} has {len(data) / 1e6:,.0f} MB: a table may have up to {TABLE_BYTES / 1e6:,.0f} MB.")
    try:
        if data[:4] == b"PAR1":
            table, told = read_parquet_table(data)
        else:
            table, told = None, csv_problem(data)
        if told:
            raise StudyError(f"{name} is too large: {told}.")
        if table is not None:
            return table
        text = data.decode("utf-8-sig")
        if "\x00" in text:
            raise ValueError
        return unguarded_table(pd.read_csv(io.StringIO(text), low_memory=False))
    except StudyError:
        raise
    except MemoryError as error:
        raise StudyError(NO_MEMORY_FOR_TABLE.format(name=name)) from error
    except Exception as error:  # whatever a stranger's file makes pandas raise
        raise StudyError(
            f"{name} cannot be read as a table: save it as CSV (UTF-8, with commas) or Parquet."
        ) from error


def open_folder(folder: Path, ident: str, name: str = "") -> OpenedStudy:
    """Opens the tables of a folder: ``runs``, ``instructions`` (.parquet or .csv) and ``plan.json``.

    Raises StudyError.
    """
    runs = _table(folder, "runs")
    if runs is None:
        raise StudyError(f"There is no table of runs in {folder}: it should hold runs.parquet or runs.csv.")
    path = folder / "plan.json"
    plan = Plan.from_json(path.read_text("utf-8"), folder) if path.exists() else None
    shown = name or (plan.name if plan else folder.name)
    return OpenedStudy(ident, shown, check_runs(runs), _table(folder, "instructions"), plan, folder=folder)


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    for path in (folder / f"{name}.parquet", folder / f"{name}.csv", folder / f"{name}.csv.gz"):
        if path.exists():
            data = path.read_bytes()
            if path.suffix == ".gz":
                import gzip

                data = gzip.decompress(data)
            return read_table(path.name, data)
    return None


def open_study(ident: str) -> OpenedStudy:
    """Opens a study of this machine by its id. Raises StudyError."""
    from ..study import Study

    with closing(Study(ident)) as study:
        runs, name = study.table(), study.name
        if not len(runs):
            raise StudyError(f"The study {name} has no run yet: start it on the page Study.")
        return OpenedStudy(
            study.id, name, check_runs(runs, name), study.instructions(), study.plan, study.id, study.folder
        )


def filter_study(opened: OpenedStudy, picked: Mapping[str, Sequence[str]]) -> OpenedStudy:
    """Returns the study with only the runs of these models, tasks and structures; an empty list takes all."""

    def keep(table: pd.DataFrame) -> pd.DataFrame:
        for column in FILTERS:
            if picked.get(column) and column in table:
                table = table[table[column].astype(str).isin(list(picked[column]))]
        return table.reset_index(drop=True)

    if not any(picked.get(c) for c in FILTERS):
        return opened
    instructions = None if opened.instructions is None else keep(opened.instructions)
    steered = None if opened.steered is None else keep(opened.steered)
    left = None if steered is None or not len(steered) else steered
    return replace(opened, runs=keep(opened.runs), instructions=instructions, steered=left)
