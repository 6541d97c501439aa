"""Writes a table of runs as an Excel workbook: the table, and a sheet on where it comes from.

Texts stay texts: a cell that begins with = is no formula, one that looks like an address is no link. A cell holds at
most 32,767 characters in Excel; longer ones are cut and the second sheet says which. Undefined is empty. Guarded by
tests/core/test_study_workbook.py.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..version import __version__
from .column_labels import column_description, column_label

if TYPE_CHECKING:
    import pandas as pd

LONGEST_CELL = 32_767
MOST_ROWS, MOST_COLUMNS = 1_048_575, 16_384
_TOLD = 50
"""Most cut cells that are listed."""


def workbook_bytes(table: pd.DataFrame, about: Mapping[str, str]) -> bytes:
    """Returns an .xlsx file of ``table``; ``about`` {what: text} stands on the second sheet, above what columns mean.

    Raises StoreError where a sheet has too little room for the table.
    """
    if len(table) > MOST_ROWS or len(table.columns) > MOST_COLUMNS:
        raise StoreError(f"A sheet holds {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns: take the Parquet or CSV.")
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:  # no temporary files
        runs, second = book.add_worksheet("runs"), book.add_worksheet("about")
        bold = book.add_format({"bold": True})
        cut: list[str] = []
        for at, name in enumerate(table.columns):
            runs.write_string(0, at, str(name), bold)
            for row, value in enumerate(table[name].tolist(), 1):
                _write(runs, row, at, value, cut)
        runs.freeze_panes(1, 1)
        if len(table):
            runs.autofilter(0, 0, len(table), len(table.columns) - 1)
        _about(second, bold, table, about, cut)
    return out.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any, cut: list[str]) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        if math.isfinite(value):
            sheet.write_number(row, column, value)
    elif value is not None:
        text = str(value)
        if len(text) > LONGEST_CELL:
            from xlsxwriter.utility import xl_rowcol_to_cell

            cut.append(f"{xl_rowcol_to_cell(row, column)} ({len(text):,} characters)")
            text = text[: LONGEST_CELL - 1] + "…"
        sheet.write_string(row, column, text)  # ``write`` would make formulas and links of some texts


def _about(sheet: Any, bold: Any, table: pd.DataFrame, about: Mapping[str, str], cut: list[str]) -> None:
    shown = dict(about) | {"Heed": __version__, "Runs": f"{len(table):,}"}
    if cut:
        more = f" and {len(cut) - _TOLD:,} more" if len(cut) > _TOLD else ""
        shown["Cells that were cut"] = f"Excel takes {LONGEST_CELL:,} characters: {', '.join(cut[:_TOLD])}{more}"
    shown["Empty cells"] = "Undefined, never 0; the column why says the reason."
    row = 0
    for what, text in shown.items():
        sheet.write_string(row, 0, what, bold)
        sheet.write_string(row, 1, str(text)[:LONGEST_CELL])
        row += 1
    row += 1
    for place, head in enumerate(("Column", "Name", "What it is")):
        sheet.write_string(row, place, head, bold)
    for name in table.columns:
        if column_description(name):
            row += 1
            for place, text in enumerate((name, column_label(name), column_description(name))):
                sheet.write_string(row, place, text)
    sheet.set_column(0, 1, 30)
    sheet.set_column(2, 2, 90)
