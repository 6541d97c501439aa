"""Runs on disk: saved, found, named, starred, evicted, exported and opened again. No torch is needed to open one.

``files`` knows one run's folder, ``place`` the folder of them all; ``keeping`` saves, evicts and deletes,
``opening`` opens, ``shelf`` finds and names with the help of ``index``; ``serial`` takes records apart,
``exchange`` makes files to send to others, ``comparisons`` one of several runs, ``table`` one for
spreadsheets, ``examples`` brings the runs that come with Heed. Imported lazily, since every page imports this package.
"""

from typing import TYPE_CHECKING, Any

from core.lazy import lookup

if TYPE_CHECKING:
    from core.store.comparisons import Opened as Opened
    from core.store.comparisons import Shown as Shown
    from core.store.comparisons import comparison_to_json as comparison_to_json
    from core.store.comparisons import opened as opened
    from core.store.examples import import_examples as import_examples
    from core.store.exchange import from_json as from_json
    from core.store.exchange import to_json as to_json
    from core.store.index import RunInfo as RunInfo
    from core.store.keeping import delete as delete
    from core.store.keeping import evict as evict
    from core.store.keeping import save as save
    from core.store.opening import load as load
    from core.store.opening import open_run as open_run
    from core.store.probes import load_probe as load_probe
    from core.store.probes import save_probe as save_probe
    from core.store.shelf import count as count
    from core.store.shelf import find as find
    from core.store.shelf import name as name
    from core.store.shelf import prefix as prefix
    from core.store.shelf import star as star
    from core.store.shelf import usage as usage
    from core.store.table import tidy as tidy
    from core.store.table import to_csv as to_csv

_WHERE = {
    **dict.fromkeys(("delete", "evict", "save"), "core.store.keeping"),
    **dict.fromkeys(("load", "open_run"), "core.store.opening"),
    **dict.fromkeys(("load_probe", "save_probe"), "core.store.probes"),
    **dict.fromkeys(("count", "find", "name", "prefix", "star", "usage"), "core.store.shelf"),
    **dict.fromkeys(("from_json", "to_json"), "core.store.exchange"),
    **dict.fromkeys(("Opened", "Shown", "comparison_to_json", "opened"), "core.store.comparisons"),
    "import_examples": "core.store.examples",
    **dict.fromkeys(("tidy", "to_csv"), "core.store.table"),
    "RunInfo": "core.store.index",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
