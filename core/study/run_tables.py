"""Reads the tables of a study as DataFrames, with the columns that statistics, Findings and export expect.

Undefined is NaN, never 0; every metric and feature that this Heed knows is a column, also before it was computed.
Guarded by tests/core/test_study_run.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MethodError
from ..importance.methods import default_study_methods
from ..records import Digest, Item
from . import cell_checks, cell_store, database
from .features import feature_columns, head_entropies, head_features
from .plan_store import own_metrics_of
from .unsteered_runs import PLAIN_LOGPROB

if TYPE_CHECKING:
    import pandas as pd

BEFORE = ("cell", "run", "prompt_id", "task", "structure", "control", "model", "seed")
AFTER = ("prompt_tokens", "output_tokens", "finish", "truncated", "answer", "error", "why")
_TEXTS = ("run", "finish", "answer", "error", "why")
INSTRUCTION_COLUMNS = (
    *("cell", "run", "prompt_id", "task", "structure", "control", "model", "number", "id", "kwargs", "message"),
    *("start", "end", "share", "multiple", "masked", "removed", "strict", "loose", "why"),
)


_FINISHED = "wanted AND (state IN ('done', 'failed') OR error = '')"
"""Which cells are rows of the table of runs: an answer stands until its longer one is there."""
_HAVE = "wanted AND (state IN ('done', 'failed') OR EXISTS (SELECT 1 FROM runs WHERE cell = cells.cell AND error = ''))"
"""The same, asked of the list of cells alone: without looking up the rows of all of them."""


def runs_table_of(
    db: sqlite3.Connection, items: Mapping[str, Item], methods: Sequence[str] = (), cells: Sequence[str] | None = None
) -> pd.DataFrame:
    """Returns one row per finished or failed cell of the plan, in the order of work; ``methods``: those of the plan.

    ``cells``: only these rows of it. Raises StoreError where a row does not hold what was written.
    """
    import pandas as pd

    names = value_columns(db, items, methods)
    found = _read_columns(db, [*names, PLAIN_LOGPROB, "prompt_tokens", "output_tokens"], cells)
    for name in [*BEFORE, *AFTER]:
        if name not in found:
            found[name] = pd.Series(dtype=object)
    factors = list(dict.fromkeys(name for item in items.values() for name in item.factors))
    of_run = [items[i].factors if i in items else {} for i in found["prompt_id"]]
    given = {f"factor:{name}": [some.get(name, "") for some in of_run] for name in factors}
    steered = _steered_columns(found, cells is not None and _any_steered(db))
    table = pd.DataFrame(
        {name: found[name] for name in BEFORE}
        | steered
        | given
        | {name: found[name] for name in AFTER}
        | {name: found.get(name, np.nan) for name in names}
    )
    for name in _TEXTS:
        table[name] = table[name].fillna("").astype(str)
    table["control"] = table["control"].fillna(0).astype(bool)
    table["truncated"] = table["truncated"].fillna(0).astype(bool)
    table["seed"] = table["seed"].fillna(0).astype(int)
    numbers = ["prompt_tokens", "output_tokens", *names]
    if steered:  # the plain model is the model of a plain run
        table[PLAIN_LOGPROB] = table[PLAIN_LOGPROB].astype(float).fillna(table["mean_logprob"].astype(float))
    table[numbers] = table[numbers].astype(float)
    return table


def value_columns(db: sqlite3.Connection, items: Mapping[str, Item], methods: Sequence[str] = ()) -> list[str]:
    """Returns the columns of the table of runs that hold a metric or a feature."""
    from .quality import METRICS

    brought = dict.fromkeys(name for item in items.values() for name in item.scores)
    own = [metric.column for metric in own_metrics_of(db)]
    return [*METRICS, *own, *brought, *feature_columns([*default_study_methods(), *methods])]


def _read_columns(db: sqlite3.Connection, numbers: Sequence[str], cells: Sequence[str] | None) -> pd.DataFrame:
    """Returns the rows of ``runs`` as they are stored; ``numbers`` as float64, read some rows at a time."""
    import pandas as pd

    which = "" if cells is None else f" AND cell IN ({', '.join('?' * len(cells))})"
    sql = f"SELECT runs.* FROM runs JOIN cells USING (cell) WHERE {_FINISHED}{which} ORDER BY number"
    asked, parts = set(numbers), dict[str, list[Any]]()
    for names, rows in cell_checks.checked_runs(db, sql, cells):
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            if name in asked:
                parts.setdefault(name, []).append(np.array(column, float))
            elif name in (*BEFORE, *AFTER, *database.STEERED_COLUMNS):
                parts.setdefault(name, []).extend(column)
    return pd.DataFrame({name: np.concatenate(v) if name in asked else v for name, v in parts.items()})


def count_runs_of(db: sqlite3.Connection) -> int:
    """Returns how many rows ``runs_table_of`` has."""
    return int(db.execute(f"SELECT count(*) FROM cells WHERE {_HAVE}").fetchone()[0])


def latest_runs_of(
    db: sqlite3.Connection, items: Mapping[str, Item], methods: Sequence[str], limit: int, offset: int = 0
) -> pd.DataFrame:
    """Returns a page of ``runs_table_of``, its last rows first: ``limit`` rows after the first ``offset``.

    Only the rows of the page are read and checked. Raises StoreError.
    """
    sql = f"SELECT cell FROM cells WHERE {_HAVE} ORDER BY number DESC LIMIT ? OFFSET ?"
    cells = [row["cell"] for row in db.execute(sql, [limit, offset]).fetchall()]
    return runs_table_of(db, items, methods, cells).iloc[::-1].reset_index(drop=True)


def _any_steered(db: sqlite3.Connection) -> bool:
    sql = f"SELECT 1 FROM cells WHERE {_HAVE} AND steered != '' LIMIT 1"
    return db.execute(sql).fetchone() is not None


def _steered_columns(found: pd.DataFrame, any_steered: bool = False) -> dict[str, Any]:
    """Returns the columns that tell how runs were steered; none where no run was, here or (``any_steered``) in all."""
    if "steered" not in found or not (any_steered or found["steered"].fillna("").ne("").any()):
        return {}
    return {
        "steered": found["steered"].fillna("").astype(str),
        "factor": found["factor"].fillna(1.0).astype(float),
        PLAIN_LOGPROB: found[PLAIN_LOGPROB].where(found["steered"].ne("")) if PLAIN_LOGPROB in found else np.nan,
    }


def instructions_table_of(db: sqlite3.Connection) -> pd.DataFrame:
    """Returns one row per run and instruction, in the order of work. Raises StoreError as ``runs_table_of``."""
    import pandas as pd

    sql = "SELECT instructions.* FROM instructions JOIN cells USING (cell) WHERE wanted ORDER BY cells.number, 8"
    rows = database.query_rows(db, sql)
    cell_checks.check_instruction_rows(db, rows)
    found = pd.DataFrame(rows, columns=[*INSTRUCTION_COLUMNS, *database.STEERED_COLUMNS])
    steered = found["steered"].fillna("").ne("").any()
    table = found if steered else found[list(INSTRUCTION_COLUMNS)].copy()
    numbers = ["message", "start", "end", "share", "multiple", "masked", "removed", "strict", "loose"]
    table[numbers] = table[numbers].astype(float)
    table["control"] = table["control"].fillna(0).astype(bool)
    table["number"] = table["number"].astype(int)
    return table


def head_features_table(db: sqlite3.Connection, rows: pd.DataFrame, part: str = "all") -> np.ndarray:
    """Returns float32 [len(rows), features x layers x heads]; NaN without a digest.

    Raises MethodError for rows of two models.
    """
    return _of_digests(db, rows, lambda digest: head_features(digest, part)[1])


def head_entropies_table(db: sqlite3.Connection, rows: pd.DataFrame, part: str = "all") -> np.ndarray:
    """Returns float32 [len(rows), layers x heads]: ``head_entropies``; NaN without a digest. Raises MethodError."""
    return _of_digests(db, rows, lambda digest: head_entropies(digest, part))


def _of_digests(db: sqlite3.Connection, rows: pd.DataFrame, values: Callable[[Digest], np.ndarray]) -> np.ndarray:
    """Returns float32 [len(rows), columns]: the values of each run's digest in one row; NaN without a digest."""
    _one_model(rows)
    found = [
        None if digest is None else values(digest).ravel()
        for _, digest in cell_store.read_digests(db, list(rows["cell"]))
    ]
    width = max((len(one) for one in found if one is not None), default=0)
    out = np.full((len(found), width), np.nan, np.float32)
    for i, one in enumerate(found):
        if one is not None and len(one) == width:
            out[i] = one
    return out


def head_feature_names(db: sqlite3.Connection, rows: pd.DataFrame) -> tuple[str, ...]:
    """Returns ``NAME L.H`` for each column of ``head_features_table``, L the layer's index."""
    _one_model(rows)
    for _, digest in cell_store.read_digests(db, list(rows["cell"])):
        if digest is not None:
            names, values = head_features(digest)
            return tuple(f"{n} {layer}.{h}" for n in names for layer in digest.layers for h in range(values.shape[2]))
    return ()


def _one_model(rows: pd.DataFrame) -> None:
    models = list(dict.fromkeys(rows["model"]))
    if len(models) > 1:
        raise MethodError(f"Heads of {len(models)} models cannot be put in one table: pick the rows of one model.")
