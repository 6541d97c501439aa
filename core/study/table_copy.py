"""Keeps the table of a large finished study as Parquet beside its database, so that it opens without reading every row.

    tables/runs.parquet   the table of runs, as ``run_tables.runs_table_of`` made it
           runs.json      the sha256 of that file, and the stamp of the database that it was made of

The database stays what counts. The stamp is a hash over the hashes of all rows, in their order, over the plan and over
the columns that this Heed knows: a database that holds anything else has another stamp, and the copy is made anew. Rows
were checked when the copy was made; when it is read, its own bytes are, and where those were changed, or the copy was
deleted, the table is read from the database. There is none of a study that still runs, and none of a small one, which
takes less than a second to read. Other programs can open the file too. Guarded by tests/core/test_study_table_copy.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..importance.methods import default_study_methods
from ..seals import with_seal, without_seal
from ..store.run_files import write_file
from . import database
from .features import feature_columns
from .plan_store import PLAN_HASH

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COPIED_FROM = 2_000
"""Runs from which a finished study has a copy."""
FOLDER, TABLE, NOTE = "tables", "runs.parquet", "runs.json"
FORMAT = 1
"""Raised when the same rows make another table, so that older copies are made anew."""
_ROWS = 10_000
"""Rows that are turned into Parquet at a time."""


def table_stamp(db: sqlite3.Connection) -> str:
    """Returns a hash of all that the table of runs is made of; "" where the study is small, runs, or has no hashes."""
    import pandas as pd

    from .quality import METRICS

    known = database.get_note(db, PLAN_HASH)
    waiting = "SELECT count(*) FROM cells WHERE wanted AND state NOT IN ('done', 'failed')"
    if not known or db.execute(waiting).fetchone()[0]:
        return ""
    sql = "SELECT cell, run FROM cells LEFT JOIN cell_checks USING (cell) WHERE wanted ORDER BY number, cell"
    rows = db.execute(sql).fetchall()
    if len(rows) < COPIED_FROM or not all(row["run"] for row in rows):
        return ""
    columns = [*METRICS, *feature_columns(default_study_methods())]
    found = sha256(json.dumps([FORMAT, known, columns, pd.__version__]).encode())
    found.update(" ".join(f"{row['cell']} {row['run']}" for row in rows).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def read_copy(folder: Path, stamp: str) -> pd.DataFrame | None:
    """Returns the copy in the study's ``folder`` with this stamp; None where there is none or it is not intact."""
    if not stamp:
        return None
    import pyarrow as pa
    from pyarrow import parquet

    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException):
        note = without_seal(json.loads((folder / FOLDER / NOTE).read_bytes()))
        if note["stamp"] != stamp:
            return None
        with pa.memory_map(str(folder / FOLDER / TABLE)) as file:
            data = file.read_buffer()
            if sha256(data).hexdigest() != note["sha256"]:
                return None
            with _freed_at_once():
                return parquet.read_table(pa.BufferReader(data)).to_pandas(self_destruct=True)
    return None


@contextmanager
def _freed_at_once() -> Iterator[None]:
    """Lets Arrow take memory from the system, to which it goes back at once: its own pool keeps 100 MB of a table."""
    import pyarrow as pa

    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


def write_copy(folder: Path, stamp: str, table: pd.DataFrame) -> bool:
    """Stores ``table`` as the copy with this stamp; returns whether that was possible: a full disk is no failure."""
    place = folder / FOLDER
    with suppress(OSError, StoreError):
        place.mkdir(exist_ok=True)
        _, found = write_file(place / TABLE, _parquet(table))
        note = with_seal({"stamp": stamp, "sha256": found, "runs": len(table)})
        write_file(place / NOTE, json.dumps(note).encode())
        return True
    return False


def _parquet(table: pd.DataFrame) -> Iterator[bytes]:
    """Yields the bytes of a Parquet file, some rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    schema = pa.Schema.from_pandas(table)
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if not pa.types.is_floating(kind)]
    with parquet.ParquetWriter(sink, schema, compression="lz4", use_dictionary=texts) as writer:
        for at in range(0, len(table), _ROWS):
            part = table.iloc[at : at + _ROWS]
            columns = [_column(part[field.name], field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    yield sink.getvalue().to_pybytes()


def _column(values: pd.Series, kind: pa.DataType) -> pa.Array:
    """Returns a column for Parquet; NaN stays a number, which is read in half the time that a missing value takes."""
    import pyarrow as pa

    return pa.array(values.to_numpy()) if pa.types.is_floating(kind) else pa.Array.from_pandas(values, type=kind)
