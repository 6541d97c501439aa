"""Tests of the workbook: opened as a ZIP of XML, as Excel does; no formula, nothing lost in silence, a second sheet."""

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from core.errors import StoreError
from core.study import workbook
from core.study.workbook import LONGEST_CELL, workbook_bytes

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet(data, number):
    """{place: (type, value)} of the cells of a sheet, shared strings looked up; fails on a formula."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    shared = ["".join(t.itertext()) for t in ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))]
    cells = {}
    for cell in ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml")).iter(f"{SPACE}c"):
        assert cell.find(f"{SPACE}f") is None, "a formula"
        value = cell.findtext(f"{SPACE}v")
        cells[cell.get("r")] = shared[int(value)] if cell.get("t") == "s" else (cell.get("t"), value)
    return cells


def table(**columns):
    return pd.DataFrame({"prompt_id": ["a", "b"], "model": "m", **columns})


def test_texts_stay_texts_numbers_numbers_and_undefined_is_empty():
    data = workbook_bytes(
        table(answer=["=1+1", "https://x.y 'q' 東\x01"], correct=[1.0, np.nan], words=[3, 4], control=[True, False]),
        {"Study": "=cmd()"},
    )
    cells = sheet(data, 1)
    assert cells["C1"] == "answer" and cells["C2"] == "=1+1" and cells["C3"].startswith("https://x.y 'q' 東")
    assert cells["D2"] == (None, "1") and "D3" not in cells
    assert cells["E3"] == (None, "4") and cells["F2"] == ("b", "1") and cells["F3"] == ("b", "0")
    second = sheet(data, 2)
    assert (second["A1"], second["B1"]) == ("Study", "=cmd()")
    told = set(map(str, second.values()))
    assert {"Heed", "Runs", "correct", "Correct"} <= told and any("whole words" in t for t in told)
    assert not any("were cut" in t for t in told)


def test_a_text_that_is_too_long_is_cut_and_said():
    data = workbook_bytes(table(answer=["x" * LONGEST_CELL, "y" * (LONGEST_CELL + 1)]), {})
    cells = sheet(data, 1)
    assert cells["C2"] == "x" * LONGEST_CELL and cells["C3"] == "y" * (LONGEST_CELL - 1) + "…"
    told = " ".join(map(str, sheet(data, 2).values()))
    assert "C3 (32,768 characters)" in told and "C2" not in told


def test_an_empty_table_and_one_without_room(monkeypatch):
    assert sheet(workbook_bytes(table()[:0], {}), 1)["A1"] == "prompt_id"
    monkeypatch.setattr(workbook, "MOST_ROWS", 1)
    with pytest.raises(StoreError, match="take the Parquet or CSV"):
        workbook_bytes(table(), {})
