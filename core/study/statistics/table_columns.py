"""Converts a table of runs to plain arrays, or raises with one sentence on the column that is wrong.

Every statistic here takes a DataFrame that a person may have made, so everything that can be wrong with one is checked
in one place: unknown names, duplicate names, text where numbers are needed. Yes/no becomes 1/0; what is not finite
counts as undefined. Guarded by tests/core/test_statistics_table_columns.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...checks import check_texts, short_repr
from ...errors import StudyError

ALL_ROWS = "all"
"""The name of the single stratum where no strata are named."""


def check_table(table: Any) -> pd.DataFrame:
    """Returns ``table`` if it is a DataFrame. Raises StudyError."""
    if not isinstance(table, pd.DataFrame):
        raise StudyError(f"Statistics are taken of a pandas DataFrame with one row a run, not of {short_repr(table)}.")
    return table


def check_columns(table: pd.DataFrame, asked: str | Iterable[str] | None, what: str) -> list[str]:
    """Returns the names ``asked`` without repeats (``what``: the word for them). Raises StudyError for unknown ones."""
    names = list(dict.fromkeys(check_texts(f"The {what}", asked)))
    for name in names:
        found = int((table.columns == name).sum())
        if found > 1:
            raise StudyError(f"The column {name!r} stands {found} times in the table: rename all but one of them.")
        if not found:
            near = difflib.get_close_matches(name, map(str, table.columns), n=3, cutoff=0.5)
            have = near or [str(c) for c in table.columns[:8]]
            hint = f"{'did you mean' if near else 'it has'} {', '.join(have)}{'?' if near else ''}"
            raise StudyError(
                f"The table has no column {name!r} for the {what}; {hint}".rstrip(".") + ("" if near else ".")
            )
    return names


def float_columns(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Returns float64 [row, name]: yes/no as 1/0, missing or not finite as NaN. Raises StudyError for text."""
    out = np.full((len(table), len(names)), np.nan)
    for i, name in enumerate(names):
        out[:, i] = _numbers(table[name])
    out[~np.isfinite(out)] = np.nan
    return out


def is_number(column: pd.Series) -> bool:
    """Returns whether a column is numeric or yes/no, not text, date or category."""
    return pd.api.types.is_bool_dtype(column) or (
        pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    )


def _numbers(column: pd.Series) -> np.ndarray:
    if is_number(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    times = pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column)
    if times or pd.api.types.is_complex_dtype(column):
        raise StudyError(f"The column {column.name!r} holds {column.dtype}, and a correlation needs numbers.")
    plain = column.astype(object)
    known = plain[plain.notna()]
    values = np.array([_number(v) for v in known], object)
    bad = [v for v, number in zip(known, values, strict=True) if number is None]
    if bad:
        raise StudyError(
            f"The column {column.name!r} holds text such as {short_repr(bad[0])}, and a correlation needs numbers: "
            "leave it out, or use it as strata."
        )
    out = np.full(len(column), np.nan)
    out[plain.notna().to_numpy()] = values.astype(np.float64)
    return out


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def level_codes(table: pd.DataFrame, names: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Returns int [row], the number of each row's combination of these columns, and a table of the combinations.

    A missing value is a level of its own. Without names every row has the one combination there is.
    """
    if not names:
        return np.zeros(len(table), np.int64), pd.DataFrame(index=range(1))
    part = table[list(names)].reset_index(drop=True)
    groups = part.groupby(list(names), sort=True, dropna=False, observed=True)
    number = groups.ngroup().to_numpy(dtype=np.int64)
    first = np.unique(number, return_index=True)[1]
    return number, part.iloc[first].reset_index(drop=True)


def level_labels(levels: pd.DataFrame) -> list[str]:
    """Returns one label per combination: "fact · smollm2"."""
    if not len(levels.columns):
        return [ALL_ROWS] * len(levels)
    return [" · ".join("(none)" if pd.isna(v) else str(v) for v in row) for row in levels.itertuples(index=False)]
