"""Runs on disk: saved, found, named, starred, evicted, exported and opened again. No torch is needed to open one.

``files`` knows one run's folder, ``runs`` what many processes do to all of them, ``index`` lists and
searches, ``serial`` takes records apart, ``exchange`` makes files to send to others. Imported lazily,
since every page imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.store.exchange import from_json as from_json
    from core.store.exchange import import_examples as import_examples
    from core.store.exchange import to_csv as to_csv
    from core.store.exchange import to_json as to_json
    from core.store.index import RunInfo as RunInfo
    from core.store.runs import count as count
    from core.store.runs import delete as delete
    from core.store.runs import evict as evict
    from core.store.runs import find as find
    from core.store.runs import load as load
    from core.store.runs import name as name
    from core.store.runs import open_run as open_run
    from core.store.runs import prefix as prefix
    from core.store.runs import save as save
    from core.store.runs import star as star
    from core.store.runs import usage as usage

_WHERE = {
    **dict.fromkeys(("count", "delete", "evict", "find", "load", "name", "open_run"), "core.store.runs"),
    **dict.fromkeys(("prefix", "save", "star", "usage"), "core.store.runs"),
    **dict.fromkeys(("from_json", "import_examples", "to_csv", "to_json"), "core.store.exchange"),
    "RunInfo": "core.store.index",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'core.store' has no attribute {name!r}; it has {', '.join(_WHERE)}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
