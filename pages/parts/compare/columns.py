"""The columns of Compare as plain values in the session: settings, attention method, and the run that each shows.

They live apart from any widget, since Streamlit drops the state of a widget that is not drawn; widgets get their
values from here and write them back (column_editor.py). A column changed from outside gets a new ``uid``, so that its
widgets are created anew. An address holds the ids of their runs and how each is read, never a prompt:

    ?runs=ID,ID&method=mean-attention,picked-heads&layers=,3.7&heads=,0.1&level=word&view=difference

``method``, ``layers`` and ``heads`` have one entry for each run, or a single one for all. What cannot be parsed is
left out. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from core.importance import DEFAULT_METHOD, METHODS
from core.records import Request, Steering, steering_label
from core.run_settings import RunSettings
from core.runs import Draft

MOST_COLUMNS = 4
LETTERS = "ABCD"
SHARED, TEMPLATE, OWN_SYSTEM = "shared", "template", "own"
POLICIES = {SHARED: "One for all", TEMPLATE: "Each template's own", OWN_SYSTEM: "Column's own"}
COMPARE_LEVELS = {"word": "By word", "sentence": "By sentence", "segment": "By segment"}
"""Granularities of texts and views; no tokens, since those of two tokenizers cannot be compared."""
QUERY_NAMES = ("runs", "method", "layers", "heads", "level", "view")
SYSTEM = "You are a helpful assistant."


@dataclass(frozen=True)
class Column:
    """One column. ``layers`` and ``heads`` are used only by methods that read picked heads."""

    uid: int = 0
    filled: RunSettings = field(default_factory=RunSettings)
    method: str = DEFAULT_METHOD
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    run: str = ""
    """Id of the run that is shown; empty where nothing was run yet."""
    asked: RunSettings | None = None
    """The settings that ``run`` answers, under the system message rule; other settings mean a change since."""
    request: Request | None = None
    """Carries the segments and the author of ``asked``; None where the stored run has them."""
    open: bool = False
    """The editor starts expanded."""
    title: str = ""
    """Name shown instead of the model's: the words of a minimal pair."""

    def reading(self, layers: Sequence[int], heads: int) -> dict[str, Any]:
        """Keyword arguments for ``run_cache.importance``, without layers and heads that the model does not have."""
        if not METHODS[self.method].picks:
            return {"layers": None, "heads": None}
        kept = tuple(n for n in self.layers if n in layers)
        picked = tuple(n for n in self.heads if n < heads)
        if not kept and not picked and len(layers):
            kept = (layers[-1],)
        return {"layers": kept or None, "heads": picked or None}


def question() -> Column:
    """What the box above the columns asks of each that does not differ: a column without a run, with uid 0."""
    return st.session_state.get("compare_question") or Column()


def put_question(column: Column) -> None:
    """Puts a column's settings into the box above. Call in a callback, or before any widget is drawn."""
    state: Any = st.session_state
    for key in [key for key in state if str(key).startswith("c0_")]:
        del state[key]
    state.compare_question = replace(column, uid=0, run="", asked=None, request=None, open=False, title="")


def current_columns() -> tuple[Column, ...]:
    """The columns of this session."""
    return st.session_state.get("columns") or ()


def put_columns(found: Sequence[Column]) -> None:
    """Replaces the columns (at most ``MOST_COLUMNS``)."""
    st.session_state.columns = tuple(found)[:MOST_COLUMNS]


def update_column(column: Column) -> None:
    """Replaces the column of the same ``uid``."""
    put_columns([column if old.uid == column.uid else old for old in current_columns()])


def fresh_column(column: Column, **changes: Any) -> Column:
    """A copy with a new ``uid``, and so with widgets of its own."""
    state: Any = st.session_state
    state.column_number = state.get("column_number", 0) + 1
    return replace(column, uid=state.column_number, **changes)


def copy_right(uid: int) -> None:
    """Copies column ``uid`` to its right: as a new column where there is room, else over the right neighbour."""
    found = list(current_columns())
    at = next((i for i, c in enumerate(found) if c.uid == uid), None)
    if at is None:
        return  # removed just before
    copy = fresh_column(found[at], open=True)
    if len(found) < MOST_COLUMNS:
        found.insert(at + 1, copy)
    elif at + 1 < MOST_COLUMNS:
        found[at + 1] = copy
    put_columns(found)


def remove_column(uid: int) -> None:
    """Removes a column, but never the last one."""
    if len(current_columns()) > 1:
        put_columns([c for c in current_columns() if c.uid != uid])


def system_rule() -> tuple[str, str]:
    """(policy, shared text) of the system messages."""
    state = st.session_state
    return state.get("compare_policy") or SHARED, state.get("compare_system", SYSTEM)


def set_system_rule(policy: str, text: str) -> None:
    """Sets the rule for system messages. Call in a callback, or before any widget is drawn."""
    st.session_state.update(compare_policy=policy, compare_system=text)


def apply_system_rule(filled: RunSettings, policy: str, text: str) -> RunSettings:
    """``filled`` with the system message that the page's rule gives it; raw text has none."""
    if filled.raw or policy == OWN_SYSTEM:
        return filled
    if policy == TEMPLATE:
        return replace(filled, system="keep", system_text="")
    return replace(filled, system="replace" if text.strip() else "none", system_text=text if text.strip() else "")


def column_draft(column: Column) -> Draft:
    """The column's own question as a draft, also while it scores another column's answer."""
    return apply_system_rule(column.filled, *system_rule()).draft()


def policy_of(found: Sequence[RunSettings]) -> tuple[str, str]:
    """(policy, shared text) for system messages that leaves all these settings as they are."""
    chats = [f for f in found if not f.raw]
    kinds = {(f.system, f.system_text) for f in chats}
    if len(kinds) == 1:
        system, text = kinds.pop()
        if system == "keep":
            return TEMPLATE, SYSTEM
        return SHARED, text
    return (OWN_SYSTEM, SYSTEM) if chats else (SHARED, SYSTEM)


def column_summary(column: Column) -> str:
    """The column's settings in one line."""
    return " · ".join(filter(None, _settings_of(column).values()))


def column_difference(column: Column, above: Column) -> str:
    """What the column changes of the question above, in one line; the model is named in its head."""
    mine, other = column.filled, above.filled
    parts = ["own prompt"] if mine.prompt != other.prompt else []
    parts += ["own answer"] if mine.given and other.given and mine.answer != other.answer else []
    for lists, name in (((mine.documents, other.documents), "documents"), ((mine.turns, other.turns), "earlier turns")):
        parts += [f"own {name}"] if len(lists[0]) == len(lists[1]) and lists[0] != lists[1] else []
    none = {
        "documents": "no documents",
        "turns": "no earlier turns",
        "thinking": "no thinking",
        "stop": "no stop texts",
        "steering": "read as by itself",
    }
    theirs = _settings_of(above)
    parts += [text or none.get(name, "") for name, text in _settings_of(column).items() if text != theirs[name]]
    return " · ".join(filter(None, parts)) or "as above"


def _settings_of(column: Column) -> dict[str, str]:
    """{setting: its text, empty where it plays no part}."""
    filled = column.filled
    by = f" by {filled.author.strip()}" if filled.author.strip() else ""
    warm = f"temperature {filled.temperature:g}, seed {filled.seed}" if filled.temperature > 0 else "greedy"
    turns = "" if filled.raw or not filled.turns else f"{len(filled.turns)} earlier turns"
    documents = f"{len(filled.documents)} document{'s' * (len(filled.documents) != 1)}" if filled.documents else ""
    return {
        "mode": f"given answer{by}" if filled.given else "raw text" if filled.raw else "chat",
        "length": "" if filled.given else f"{filled.new_tokens} tokens",
        "sampling": "" if filled.given else warm,
        "stop": "stop texts" if filled.stop.strip() and not filled.given else "",
        "documents": documents,
        "turns": turns,
        "steering": steering_text(filled),
        "thinking": "thinking" if filled.thinking and not filled.raw else "",
        "method": METHODS[column.method].label.lower() + _picked(column),
    }


def steering_text(filled: RunSettings) -> str:
    """What a column reads more or less, in words; "" where it reads as by itself."""
    if filled.part.strip() and filled.factor != 1:
        return Steering(((0, 0, 1),), filled.factor, name=filled.part.strip()).label
    return steering_label(filled.steering)


def _picked(column: Column) -> str:
    if not METHODS[column.method].picks:
        return ""
    layers = ", ".join(map(str, column.layers)) or "all" if column.layers or column.heads else "last"
    heads = ", ".join(map(str, column.heads)) or "all"
    return f" (layers {layers}; heads {heads})"


def columns_query(columns: Sequence[Column]) -> dict[str, str]:
    """Query parameters for these columns; empty where one has no run yet."""
    if not columns or not all(c.run for c in columns):
        return {}
    found = {"runs": ",".join(c.run for c in columns)}
    methods = [c.method for c in columns]
    if set(methods) != {DEFAULT_METHOD}:
        found["method"] = methods[0] if len(set(methods)) == 1 else ",".join(methods)
    for name in ("layers", "heads"):
        picked = [getattr(c, name) if METHODS[c.method].picks else () for c in columns]
        if any(picked):
            found[name] = ",".join(".".join(map(str, p)) for p in picked)
    return found


def edit_query(
    run: str, method: str = DEFAULT_METHOD, layers: Sequence[int] = (), heads: Sequence[int] = ()
) -> dict[str, str]:
    """Query parameters that open a run with an editable copy beside it."""
    column = Column(run=run, method=method, layers=tuple(layers), heads=tuple(heads))
    return columns_query([column]) | {"edit": "1"}


def query_columns(query: Mapping[str, str]) -> tuple[list[str], list[dict[str, Any]]]:
    """(run ids, fields of ``Column`` for each) from query parameters; at most ``MOST_COLUMNS``."""
    runs = [r.strip() for r in query.get("runs", "").split(",") if r.strip()][:MOST_COLUMNS]
    methods, layers, heads = (_spread(query.get(name, ""), len(runs)) for name in ("method", "layers", "heads"))
    readings: list[dict[str, Any]] = [
        {
            "method": method if method in METHODS else DEFAULT_METHOD,
            "layers": _numbers(layer),
            "heads": _numbers(head),
        }
        for method, layer, head in zip(methods, layers, heads, strict=True)
    ]
    return runs, readings


def _spread(text: str, count: int) -> list[str]:
    parts = text.split(",")
    return parts * count if len(parts) == 1 else (parts + [""] * count)[:count]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(".") if n.isascii() and n.isdigit() and len(n) < 6)
