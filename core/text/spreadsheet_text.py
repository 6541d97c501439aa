"""Keeps a spreadsheet from taking the texts of a CSV file for formulas, and takes that back when a file is read.

Labels, prompts and answers come from models and strangers. A cell that begins as a formula does gets a leading
apostrophe, which spreadsheets take for "this is text" (OWASP, CSV injection). Plain numbers stay as they are: ``-5`` is
an answer and no formula. A text that already begins with apostrophe and formula gets another one, so that reading a
table back gives what was written. Guarded by tests/core/test_text_spreadsheet_text.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""First characters that spreadsheets take for a formula (OWASP's list, with their wide forms)."""

BLANK = " \n\v\f\xa0\ufeff\u200b"
"""Characters that a spreadsheet may drop before it looks for a formula."""

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?%?")


def guard_cell(text: str, *, label: bool = False) -> str:
    """Returns ``text`` with an apostrophe before it where a spreadsheet would take it for a formula.

    ``label``: a piece of a text, of which ``-1`` is none the less no number.
    """
    number = not label and _NUMBER.fullmatch(text)
    return f"'{text}" if _is_formula(text.lstrip("'")) and not number else text


def unguard_cell(text: str) -> str:
    """Returns the text that ``guard_cell`` made this of."""
    return text[1:] if text.startswith("'") and _is_formula(text.lstrip("'")) else text


def guarded_csv(table: pd.DataFrame) -> str:
    """Returns ``table`` as CSV without its index; every text in it, and every column's name, is guarded."""
    return _changed(table, guard_cell).to_csv(index=False)


def unguarded_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table that was read from such a CSV with the texts that were written."""
    return _changed(table, unguard_cell)


def _is_formula(text: str) -> bool:
    return text.startswith(FORMULA_SIGNS) or text.lstrip(BLANK).startswith(FORMULA_SIGNS)


def _changed(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    def one(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    texts = [name for name in table.columns if table[name].dtype.kind == "O" or str(table[name].dtype) == "category"]
    texts += [name for name in table.columns if str(table[name].dtype).startswith("str") and name not in texts]
    changed = {name: table[name].astype(object).map(one) for name in texts}
    return table.assign(**changed).rename(columns=one) if len(table.columns) else table
