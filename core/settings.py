"""Reads Heed's settings from the environment: folders, size limit of the store, and the library versions.

Everything is read when needed, never on import, so that a test or a notebook can move the folders: HEED_HOME (runs,
index, log), HEED_MODELS (weights), HEED_STORE_GB (size limit of the store), HEED_RUN_GB (of the rows of one run),
HEED_GPU_GB and HEED_CPU_GB (what a model on device auto may take), HEED_MODEL_ROOTS (folders from which models may be
opened by path), HEED_RAY_ADDRESS (a Ray cluster), HEED_PEOPLE and HEED_PERSON_GB (who may sign in, and how
much each may keep). A folder counts as
writable only after a real write: permission bits say nothing for root, on network drives or on a full disk. To add a
setting: one function here, one line in ``settings_problems``. Guarded by tests/core/test_settings.py.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from .errors import HeedError, StoreError
from .unfinished import unfinished_prefix
from .version import NUMBERS

GIGABYTES = {"HEED_STORE_GB": 5.0, "HEED_RUN_GB": 2.0, "HEED_PERSON_GB": None, "HEED_GPU_GB": None, "HEED_CPU_GB": None}
"""Default size limits, in units of 10**9 bytes: of the store, of the attention rows of one run, of what one signed-in
person may keep (None: no limit), and of a model on device auto on each GPU and in memory (None: what is free)."""

LIBRARIES = ("tokenizers", "torch", "transformers")
"""Libraries that determine token ids and numerical results; numpy only adds up what they computed."""


def home_path() -> Path:
    """Returns the folder of runs, from HEED_HOME or ``~/.heed``; absolute, neither created nor checked."""
    return _path("HEED_HOME", "~/.heed")


def home() -> Path:
    """Creates the folder of runs if needed, checks it by writing, and returns it. Raises StoreError with the remedy."""
    return _checked(home_path(), "HEED_HOME", "runs")


def models_path() -> Path:
    """Returns the folder of weights, from HEED_MODELS or ``<home>/models``; neither created nor checked."""
    return _path("HEED_MODELS", str(home_path() / "models"))


def models_home() -> Path:
    """Creates the folder of weights if needed, checks it by writing, returns it. Raises StoreError with the remedy."""
    return _checked(models_path(), "HEED_MODELS", "model files")


def store_limit() -> int:
    """Returns the most bytes that stored runs may take: HEED_STORE_GB (10**9 bytes each), 5 GB if unset or invalid."""
    return int((_gigabytes("HEED_STORE_GB") or 0) * 1e9)


def rows_limit() -> int:
    """Returns the most bytes that the attention rows of one run may take: HEED_RUN_GB (10**9 bytes each), 2 GB if unset
    or invalid; never more than half of what the disk has free."""
    granted = int((_gigabytes("HEED_RUN_GB") or 0) * 1e9)
    home = home_path()
    free = shutil.disk_usage(home if home.is_dir() else tempfile.gettempdir()).free
    return min(granted, free // 2)


def person_limit() -> int | None:
    """Returns the most bytes that one signed-in person may keep: HEED_PERSON_GB (10**9 bytes each); None: no limit."""
    size = _gigabytes("HEED_PERSON_GB")
    return None if size is None else int(size * 1e9)


def allowed_people() -> tuple[str, ...] | None:
    """Returns who may sign in: HEED_PEOPLE, addresses, domains as ``@example.org`` and ids, with commas between.

    None: it is unset, and everybody may whom the identity provider lets in.
    """
    written = os.environ.get("HEED_PEOPLE")
    return None if written is None else tuple(part.strip() for part in written.split(",") if part.strip())


def model_roots() -> tuple[str, ...] | None:
    """Returns the real paths of the folders from which models may be opened by path: HEED_MODEL_ROOTS, written as PATH.

    None: it is unset, and any path may be; (): it is empty, and none may be.
    """
    written = os.environ.get("HEED_MODEL_ROOTS")
    if written is None:
        return None
    named = [part.strip() for part in written.split(os.pathsep) if part.strip()]
    return tuple(filter(None, map(real_path, named)))


def ray_address() -> str:
    """Returns the address of the Ray cluster that pages offer: HEED_RAY_ADDRESS; "" where it is unset."""
    return os.environ.get("HEED_RAY_ADDRESS", "").strip()


def real_path(path: str) -> str:
    """Returns the absolute path without links or ``~``; empty for one that no file can have."""
    try:
        return os.path.realpath(os.path.expanduser(path))
    except (OSError, ValueError):
        return ""


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """Returns sorted (name, version) pairs of Heed (``NUMBERS``) and ``LIBRARIES``, without importing them.

    Build tags such as ``+cpu`` are dropped: the device is already in the model's key.
    """
    seen = {"heed": NUMBERS}
    for name in LIBRARIES:
        try:
            seen[name] = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            seen[name] = "none"
    return tuple(sorted(seen.items()))


def settings_problems() -> list[str]:
    """Returns what is wrong with the settings, one sentence each, for the page to show; empty if nothing is."""
    problems = []
    for folder in (home, models_home):
        try:
            folder()
        except HeedError as error:
            problems.append(str(error))
            break  # weights lie below the home by default: one message is enough
    for name, default in GIGABYTES.items():
        if _written(name) and _size(_written(name)) is None:
            free = "no limit" if name == "HEED_PERSON_GB" else "what is free"
            meanwhile = free if default is None else f"{default:g}"
            problems.append(
                f"{name} is {os.environ[name]!r}, which is no size: "
                f"set it to a number of gigabytes such as 5 (Heed uses {meanwhile} meanwhile)."
            )
    return problems


def most_memory(what: str) -> int | None:
    """Returns how many bytes of each ``GPU``, or of the ``CPU``, a model on device auto may take; None: what is free.

    From HEED_GPU_GB and HEED_CPU_GB; what is no size counts as unset, and ``settings_problems`` says so.
    """
    size = _gigabytes(f"HEED_{what}_GB")
    return None if size is None else int(size * 1e9)


def _path(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "").strip() or default
    try:
        return _absolute(value, os.getcwd() if value[:1] not in ("/", "~") else "", os.path.expanduser("~"))
    except (RuntimeError, ValueError) as error:
        raise StoreError(f"The folder {value!r} cannot be found: set {variable} to an absolute path.") from error


@lru_cache(maxsize=64)  # a page asks for its folders some two hundred times
def _absolute(value: str, here: str, home: str) -> Path:
    """``here`` and ``home`` are what the answer depends on beside ``value``."""
    return Path(os.path.abspath(Path(value).expanduser()))


def _checked(folder: Path, variable: str, what: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, probe = tempfile.mkstemp(prefix=unfinished_prefix(".probe-"), dir=folder)
        try:
            os.write(handle, b"heed")
        finally:
            os.close(handle)
            os.unlink(probe)
    except (OSError, ValueError) as error:
        raise StoreError(unwritable_sentence(folder, error, variable, what)) from error
    return folder


def unwritable_sentence(folder: Path, error: Exception, variable: str = "HEED_HOME", what: str = "runs") -> str:
    """Returns one sentence for an OSError raised while writing below ``folder``, with the remedy."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        remedy = f"free some space or set {variable} to another disk"
        return f"The disk of {folder} is full, so {what} cannot be kept: {remedy}."
    reason = getattr(error, "strerror", None) or str(error)
    return f"Heed cannot write {what} to {folder} ({reason}): set {variable} to a folder that you may write to."


def _gigabytes(name: str) -> float | None:
    """Returns a variable of GIGABYTES as a number; its default where it is unset or no size."""
    size = _size(_written(name))
    return GIGABYTES[name] if size is None else size


def _written(name: str) -> str:
    return os.environ.get(name, "").strip()


def _size(text: str) -> float | None:
    """Returns a size that a person wrote, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
