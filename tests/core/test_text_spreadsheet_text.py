"""Tests that no text of a CSV begins as a formula, that numbers stay numbers, and that reading gives what was written."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.spreadsheet_text import BLANK, FORMULA_SIGNS, guard_cell, guarded_csv, unguard_cell, unguarded_table


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "'=1"]
)
def test_a_formula_gets_an_apostrophe(text):
    assert guard_cell(text) == f"'{text}" and unguard_cell(f"'{text}") == text


@pytest.mark.parametrize("text", ["", "plain", "-5", "+3.25", "-1,000", "-2e-3", "5%", "it's", "'quoted'", "a=b"])
def test_other_text_and_numbers_stay(text):
    assert guard_cell(text) == text == unguard_cell(text)


@given(st.text(alphabet="'=+-@\t \ufeffa1", max_size=6))
def test_reading_back_gives_the_text(text):
    guarded = guard_cell(text)
    assert unguard_cell(guarded) == text
    assert guarded == text or not guarded.lstrip(BLANK).startswith(FORMULA_SIGNS)


def test_a_table_with_every_kind_of_column_comes_back_as_it_was():
    table = pd.DataFrame(
        {
            "text": ["=1+1", None, "-5"],
            "=name": ["@a", "b", "'=c"],
            "number": [-1.5, np.nan, 2.0],
            "kind": pd.Categorical(["-x", "y", "-x"]),
            "typed": pd.array(["+a", "b", None], dtype="string"),
            "flag": [True, False, True],
        }
    )
    written = guarded_csv(table)
    assert written.startswith("text,'=name,number,kind,typed,flag\n") and "'=1+1,'@a,-1.5,'-x,'+a,True\n" in written
    assert table["text"].iloc[0] == "=1+1", "the table itself is not changed"
    back = unguarded_table(pd.read_csv(io.StringIO(written), dtype={"text": str}))
    assert back["text"].tolist()[::2] == ["=1+1", "-5"] and back["=name"].tolist() == ["@a", "b", "'=c"]
    assert back["kind"].tolist() == ["-x", "y", "-x"] and back["number"].iloc[0] == -1.5
    assert guarded_csv(pd.DataFrame()) == pd.DataFrame().to_csv(index=False)


def test_every_csv_of_the_app_is_guarded():
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    files = [f for folder in ("core", "pages") for f in (root / folder).rglob("*.py")]
    writes = {f.relative_to(root).as_posix() for f in files if ".to_csv(" in f.read_text(encoding="utf-8")}
    assert writes == {"core/text/spreadsheet_text.py", "core/trust/league_files.py"}, "the second is a file of numbers"
