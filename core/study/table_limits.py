"""Limits of uploaded tables, read before the data: bytes, rows, columns and cells of CSV, JSON lines and Parquet.

A file of a megabyte may unpack to gigabytes: a Parquet file repeats a long text a million times for a few bytes, a CSV
names a hundred thousand columns, JSON nests a list in every byte. What a file would become is counted from its metadata
or its separators, in one pass that makes no objects, and declined in one sentence. Guarded by
tests/core/test_study_table_limits.py.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from ..ended_process import EndedEarly, run_ended
from ..errors import StudyError

if TYPE_CHECKING:
    import pyarrow.parquet

ITEM_BYTES = 50_000_000
"""Most bytes of a file of items."""
ITEM_VALUES = 2_000_000
"""Most values of a file of items: cells of a CSV, or fields, lists and objects of JSON lines."""
ITEM_COLUMNS = 1_000
"""Most columns of a file of items."""
TABLE_BYTES = 200_000_000
"""Most bytes of a table of runs, as a file and unpacked."""
TABLE_COLUMNS, TABLE_ROWS, TABLE_CELLS = 5_000, 1_000_000, 10_000_000
UNPACKED_BYTES = 500_000_000
"""Most bytes that a Parquet file may unpack to, each text counted as often as it stands in a cell."""
PARQUET_SECONDS, PARQUET_BYTES = 60.0, 6 << 30
"""Processor time and memory (as addresses) that reading a Parquet file may take."""
_TOO_LARGE = b"too large: "
_ENDED = {
    "time": f"reading it takes longer than {PARQUET_SECONDS:.0f} s: keep fewer columns or rows",
    "memory": f"reading it takes more than {PARQUET_BYTES >> 30} GB: keep fewer columns or rows",
    "crash": "its reader broke off: save it as CSV",
}
_CHUNK = 1 << 18
_OPENERS = (b"[", b"{", b",", b":")


class CsvSize(NamedTuple):
    """What a CSV would become."""

    rows: int
    """Lines outside quotation marks, the header included."""
    columns: int
    """Cells of the first line that holds anything."""


def csv_size(data: bytes, delimiter: bytes = b",") -> CsvSize:
    """Counts the lines and columns of a CSV in pieces, without splitting it into cells."""
    rows, columns, quoted, seen = 1, 1, False, False
    for at in range(0, len(data), _CHUNK):
        for place, piece in enumerate(data[at : at + _CHUNK].split(b'"')):
            quoted ^= place > 0
            if quoted:
                continue
            lines = piece.count(b"\n") or piece.count(b"\r")  # an old Mac's lines end with the other
            if not seen:
                head, end, _ = piece.lstrip(b"\r\n").partition(b"\n") if columns == 1 else piece.partition(b"\n")
                columns += head.count(delimiter)
                seen = bool(end)
            rows += lines
    return CsvSize(rows, columns)


def csv_problem(data: bytes, delimiter: bytes = b",") -> str:
    """Returns why a table of runs is too large to be read as CSV, with the remedy; empty where it is not."""
    return _too_large(*csv_size(data, delimiter))


def json_values(data: bytes) -> int:
    """Returns the most values that a JSON text may hold, from its punctuation; commas in texts count too."""
    return sum(data.count(mark) for mark in _OPENERS)


def parquet_problem(file: pyarrow.parquet.ParquetFile) -> str:
    """Returns why a Parquet file is too large to be read, from its metadata; empty where it is not."""
    import pyarrow as pa

    meta, schema = file.metadata, file.schema_arrow
    told = _too_large(meta.num_rows, meta.num_columns)
    if told:
        return told
    nested = next((field.name for field in schema if pa.types.is_nested(field.type)), None)
    if nested is not None:
        return f"its column {nested[:60]!r} holds lists or objects: keep one value in a cell"
    wide = next((c for c in map(meta.schema.column, range(meta.num_columns)) if c.length and c.length > 16), None)
    if wide is not None and wide.physical_type == "FIXED_LEN_BYTE_ARRAY":
        return f"its column {wide.name[:60]!r} holds bytes: keep numbers or texts"
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    return _unpacked(size) if size > UNPACKED_BYTES else ""


def read_parquet_table(data: bytes) -> tuple[Any, str]:
    """Returns (DataFrame, "") or (None, why it is too large): parsed in a process that can be ended.

    How often each text stands is counted before anything is unpacked. Raises StudyError where that is not done in
    time, ValueError for a file that is no Parquet.
    """
    import pandas as pd

    try:
        made = run_ended(parquet_as_feather, data, seconds=PARQUET_SECONDS, memory=PARQUET_BYTES)
    except EndedEarly as error:
        raise StudyError(f"The Parquet file is not read: {_ENDED[error.why]}.") from error
    if not made:
        raise ValueError("no Parquet file")
    if made.startswith(_TOO_LARGE):
        return None, made.removeprefix(_TOO_LARGE).decode()
    return pd.read_feather(io.BytesIO(made)), ""


def parquet_as_feather(data: bytes, unpacked: int = UNPACKED_BYTES) -> bytes:
    """Returns a Parquet file as an Arrow file; _TOO_LARGE and why; or nothing for a file that is no Parquet."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import feather, parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        told = parquet_problem(file)
        size = 0
        for name in () if told else [field.name for field in file.schema_arrow if not _has_fixed_width(field.type)]:
            read = parquet.ParquetFile(io.BytesIO(data), read_dictionary=[name]).read(columns=[name])
            for chunk in (chunk for column in read.columns for chunk in column.chunks):
                if not pa.types.is_dictionary(chunk.type):
                    told = f"its column {name[:60]!r} holds neither numbers nor texts: leave it out"
                    return _TOO_LARGE + told.encode()
                lengths = pc.binary_length(chunk.dictionary)
                size += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
        told = told or (_unpacked(size, unpacked) if size > unpacked else "")
        if told:
            return _TOO_LARGE + told.encode()
        out = io.BytesIO()
        feather.write_feather(file.read(), out, compression="uncompressed")
        return out.getvalue()
    except MemoryError:
        raise
    except Exception:  # whatever a damaged file makes pyarrow raise
        return b""


def _has_fixed_width(kind: Any) -> bool:
    """Returns whether a value of this type has a size of its own, as numbers, dates and yes or no have."""
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind))


def _too_large(rows: int, columns: int) -> str:
    if columns > TABLE_COLUMNS:
        return f"it has {columns:,} columns and a table may have {TABLE_COLUMNS:,}: keep those that you need"
    if rows > TABLE_ROWS:
        return f"it has {rows:,} rows and a table may have {TABLE_ROWS:,}: split it"
    if rows * columns > TABLE_CELLS:
        return f"it has {rows * columns:,} cells and a table may have {TABLE_CELLS:,}: keep fewer columns or rows"
    return ""


def _unpacked(size: int, most: int = UNPACKED_BYTES) -> str:
    told = f"it unpacks to {size / 1e6:,.0f} MB and a table may have {most / 1e6:,.0f} MB"
    return f"{told}: keep fewer columns or rows"
