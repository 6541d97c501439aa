"""Reads one attention map from a table of text: comma, semicolon or tab, with or without labels.

Guarded by tests/core/test_maps_map_files.py.
"""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

import numpy as np

from ..errors import MapFileError

MOST_CSV_BYTES = 16_000_000
CORNER_WORDS = ("", "query", "queries", "token", "tokens", "query/key", "query\\key")
"""What may stand in the first cell of a table whose query labels are numbers."""


class CsvMap(NamedTuple):
    """One map and the labels of its sides; None: numbers."""

    values: np.ndarray
    """float64 [query, key]"""
    queries: list[str] | None
    keys: list[str] | None


def read_csv_map(data: bytes) -> CsvMap:
    """Returns the map of a csv file: first row = key labels, first column = query labels, or numbers alone.

    UTF-8 with or without byte order mark; separated by comma, semicolon or tab; with semicolons and tabs a number may
    have a decimal comma. A first row of numbers only means that there are no labels; a first column of numbers only,
    below a word, that there are no query labels. An empty cell or nan is NaN. Raises MapFileError.
    """
    if len(data) > MOST_CSV_BYTES:
        raise MapFileError(f"A csv of attention may have {MOST_CSV_BYTES:,} bytes: save it as npz.")
    rows, comma = _rows(data)
    if not rows:
        raise MapFileError("This csv file is empty: the first row holds key labels, every other one a query.")
    if _is_number(rows[0][0], comma) and all(_may_be_number(cell, comma) for cell in rows[0]):
        return CsvMap(_numbers(rows, 0, comma), None, None)
    head, body = rows[0], rows[1:]
    if not body:
        raise MapFileError("This csv file has labels and no values: a row for each query follows the first.")
    if len(head) == 1 and len(body[0]) == 1 and not _is_number(body[0][0], comma):
        raise MapFileError("This csv file has one column alone: put commas, semicolons or tabs between its cells.")
    named = head[0].strip().lower() in CORNER_WORDS or not all(_is_number(row[0], comma) for row in body)
    if named and len(head) == len(body[0]) - 1:  # the corner was left out, as R writes it
        head = ["", *head]
    values = _numbers([row[named:] for row in body], 1, comma)
    keys = head[named:]
    if len(keys) != values.shape[1]:
        found = f"The first row has {len(keys)} key labels, and the rows below have {values.shape[1]} values"
        raise MapFileError(f"{found}: write a label for each.")
    return CsvMap(values, [row[0] for row in body] if named else None, keys)


def _rows(data: bytes) -> tuple[list[list[str]], bool]:
    """Returns the cells of all rows that are not blank, and whether numbers may have a decimal comma."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MapFileError("This csv file is not UTF-8: save it again as “CSV UTF-8”.") from error
    if "\0" in text:
        raise MapFileError("This csv file holds bytes that are no text: save it again as “CSV UTF-8”.")
    separator = _separator(text)
    try:
        found = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        return [row for row in found if any(cell.strip() for cell in row)], separator != ","
    except csv.Error as error:
        raise MapFileError(f"This csv file cannot be read ({error}): quote labels that hold the separator.") from error


def _separator(text: str) -> str:
    """Returns the first of tab, semicolon and comma that cuts all rows into as many cells; else that of most cells.

    Decimal commas would make more cells than the semicolons between them. A first row may be one cell shorter (R).
    """
    for separator in "\t;,":
        found = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = (len(row) for row in found if any(cell.strip() for cell in row))
        try:
            first = next(rows, 0)
            second = next(rows, first)
            if second > 1 and second - first in (0, 1) and all(n == second for n in rows):
                return separator
        except csv.Error:
            continue
    line = next((line for line in text.splitlines() if line.strip()), "")
    return max("\t;,", key=lambda c: _cells_of(line, c))


def _cells_of(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return 0


def _numbers(rows: list[list[str]], before: int, comma: bool) -> np.ndarray:
    """Returns float64 [row, column] of cells with numbers; ``before``: rows above the first."""
    width = len(rows[0])
    values = np.full((len(rows), width), np.nan)
    for r, row in enumerate(rows):
        place = f"Row {r + before + 1} of the csv file"
        if len(row) != width:
            raise MapFileError(f"{place} has {len(row)} values, and the first has {width}: give all the same.")
        for c, cell in enumerate(row):
            try:
                values[r, c] = _number(cell, comma)
            except ValueError as error:
                said = " ".join(cell.split())[:40]
                raise MapFileError(f"{place} holds “{said}”, which is no number: write numbers alone.") from error
    return values


def _number(cell: str, comma: bool) -> float:
    text = cell.strip()
    if "_" in text:  # Python's own digit groups
        raise ValueError(text)
    return float(text.replace(",", ".") if comma else text) if text else float("nan")


def _may_be_number(cell: str, comma: bool) -> bool:
    """Returns whether a cell is a number or one that is not known."""
    return cell.strip().lower() in ("", "nan") or _is_number(cell, comma)


def _is_number(cell: str, comma: bool) -> bool:
    try:
        return cell.strip() != "" and _number(cell, comma) == _number(cell, comma)
    except ValueError:
        return False
