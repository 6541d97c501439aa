"""Files of your own that add methods, metrics, features, structures, instructions, charts, pages and models.

A plugin is a Python file in ``HEED_HOME/plugins``, or an entry point of the group ``heed.plugins``, with a function
``register(heed)``; ``heed`` is this package, by whatever name it runs, and its registries are plain dicts:
``heed.METRICS["shouting"] = heed.Metric(...)``. Plugins are code and run as you, so nothing is loaded unless
``HEED_PLUGINS=1`` says so. Pages, the shell and every worker of a study load them when they start; a notebook calls
``load_plugins()``. docs/extending.md has a complete example of each kind. Guarded by tests/core/test_plugins.py.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import PromptError, error_reason
from .settings import home_path

LOG = logging.getLogger("heed")
GROUP = "heed.plugins"
ON = ("1", "on", "true", "yes")

_lock = threading.Lock()
_loaded: dict[str, str] = {}
"""{where from: what went wrong, or ""} of everything that was tried in this process."""


@dataclass(frozen=True)
class PluginPage:
    """A page of the dashboard."""

    label: str
    """In the navigation."""
    draw: Callable[[], None]
    """Draws everything below the frame with Streamlit."""
    icon: str = ":material/extension:"


PAGES: dict[str, PluginPage] = {}
"""{name in the address: PluginPage}: pages that plugins bring."""


def plugins_enabled() -> bool:
    """True when HEED_PLUGINS switches plugins on."""
    return os.environ.get("HEED_PLUGINS", "").strip().lower() in ON


def load_plugins() -> list[str]:
    """Load every plugin once a process, where they are switched on; a sentence for each that failed."""
    if not plugins_enabled():
        return []
    with _lock:
        for name, register in _found():
            if name not in _loaded:
                _loaded[name] = _run(name, register)
    return [sentence for sentence in _loaded.values() if sentence]


def _found() -> Iterator[tuple[str, Callable[[], Callable[[Any], None]]]]:
    """(where from, what gives its ``register``) of every plugin, files first."""
    for path in sorted((home_path() / "plugins").glob("*.py")):
        yield str(path), partial(_register_of, path)
    for entry in metadata.entry_points(group=GROUP):
        yield f"{entry.name} ({entry.value})", entry.load


def _register_of(path: Path) -> Callable[[Any], None]:
    module = _module_of(path)
    if not callable(getattr(module, "register", None)):
        raise AttributeError("it has no function register(heed)")
    register: Callable[[Any], None] = module.register
    return register


def _module_of(path: Path) -> ModuleType:
    name = f"heed_plugin_{path.stem}"
    spec = util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it cannot be imported")
    module = sys.modules[name] = util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def plugin_file(name: str, function: str) -> Callable[..., Any]:
    """Returns a function of the file ``name`` below HEED_HOME/plugins. Raises PromptError where there is none."""
    path = home_path() / "plugins" / name
    if not plugins_enabled():
        raise PromptError("Python files are switched off: whoever runs Heed starts it with HEED_PLUGINS=1")
    if not path.is_file():
        raise PromptError(f"There is no file {path}: put it there, with a function {function}(answered).")
    with _lock:
        return _function_of(path, function, path.stat().st_mtime_ns)


@lru_cache(64)
def _function_of(path: Path, function: str, _: int) -> Callable[..., Any]:
    try:
        module = _module_of(path)
    except Exception as error:
        LOG.warning("The file %s failed.", path, exc_info=error)
        raise PromptError(f"{path.name} cannot be loaded ({error_reason(error)}): mend it.") from error
    if not callable(getattr(module, function, None)):
        raise PromptError(f"{path.name} has no function {function}(answered): write one that gives True or False.")
    found: Callable[..., Any] = getattr(module, function)
    return found


def _run(name: str, register: Callable[[], Callable[[Any], None]]) -> str:
    try:
        register()(sys.modules[__package__ or "core"])
    except Exception as error:
        LOG.warning("The plugin %s failed.", name, exc_info=error)
        return f"The plugin {name} was left out: {error_reason(error)}. Mend it and start again, or move it away."
    return ""
