"""``heed doctor``: looks at the machine, the folders, the libraries, the models and the dashboard's work.

Each check is one function that returns sentences: what was seen, and what is wrong with the remedy. Nothing is changed
and nothing is fetched; weights whose hash is known are read whole. Guarded by tests/core/test_doctor.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import HeedError
from .jobs.heartbeat import heartbeat_problems
from .log.targets import log_problems
from .models.catalogue import CATALOGUE, DEFAULT_MODEL, Entry, PyPI, WheelFolder
from .models.compatibility import check_path
from .models.memory_estimate import available_memory, size_text
from .models.model_key import files_of, locate, wheel_folder
from .models.paths import gguf_path, hash_file
from .processes import PACKAGE, command_text
from .settings import home_path, model_roots, models_path, settings_problems

ENOUGH_MEMORY = 2_000_000_000
"""Bytes that the default model and its attention take, with room to spare."""
ENOUGH_DISK = 1_000_000_000
"""Bytes that fetching and converting the default model take, with room for runs."""


@dataclass(frozen=True)
class Finding:
    """One sentence of the doctor."""

    text: str
    wrong: bool = False
    """Something is to be done; the sentence says what."""


def examine() -> list[Finding]:
    """Returns what every check found, in the order in which a person would look."""
    checks: tuple[Callable[[], Iterable[Finding]], ...] = (_machine, _folders, _libraries, _models, _work)
    return [finding for check in checks for finding in check()]


def _machine() -> Iterable[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = available_memory()
    yield Finding(f"Python {sys.version.split()[0]}, {cores} cores, {size_text(free)} of memory free.")
    if free < ENOUGH_MEMORY:
        yield Finding(f"Less than {size_text(ENOUGH_MEMORY)} of memory are free: close other programs.", True)
    allowed = _memory_allowed()
    if allowed is not None and allowed < ENOUGH_MEMORY:
        yield Finding(f"This shell allows a program {size_text(allowed)} of memory: run ulimit -v unlimited.", True)


def _memory_allowed() -> int | None:
    """Returns the bytes that a program started here may reserve; None: as many as there are."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _folders() -> Iterable[Finding]:
    problems = settings_problems()
    yield from (Finding(problem, True) for problem in problems)
    for name, path in (("HEED_HOME", home_path()), ("HEED_MODELS", models_path())):
        if not path.is_dir():
            continue
        free = shutil.disk_usage(path).free
        yield Finding(f"{name} is {path}, {size_text(free)} free.")
        if free < ENOUGH_DISK:
            yield Finding(f"The disk of {path} is nearly full: free some space, or set {name} to another disk.", True)
    for root in model_roots() or ():
        if not os.path.isdir(root):
            yield Finding(f"HEED_MODEL_ROOTS names {root}, which is no folder: make it, or leave it out.", True)
    yield from (Finding(problem, True) for problem in log_problems())


def _libraries() -> Iterable[Finding]:
    from packaging.requirements import Requirement

    wrong, count = [], 0
    for line in required_libraries():
        asked = Requirement(line)
        if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            here = metadata.version(asked.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{asked.name} is missing ({asked.specifier} is needed)")
            continue
        if not asked.specifier.contains(here.split("+")[0], prereleases=True):
            wrong.append(f"{asked.name} is {here} ({asked.specifier} is needed)")
    pip = f"{sys.executable} -m pip install"  # `make venv` sees that no pin changed, and does nothing
    again = f"{pip} -r requirements.txt" if PACKAGE.name == "core" else f"{pip} --upgrade heed"
    yield from (Finding(f"{text}: run {again}.", True) for text in wrong)
    if not wrong:
        yield Finding(f"All {count} libraries have the versions that are needed.")


def required_libraries() -> list[str]:
    """Returns the requirement lines of this checkout, or of the installed package."""
    file = PACKAGE.parent / "requirements.txt"
    if PACKAGE.name == "core" and file.exists():
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
        return [line for line in lines if line and not line.startswith(("#", "-"))]
    return metadata.requires("heed") or []


def _models() -> Iterable[Finding]:
    ready = False
    for name, entry in CATALOGUE.items():
        path = files_of(locate(name))
        if path is None:
            continue
        ready = ready or name == DEFAULT_MODEL
        fetch = f"delete it and run {command_text('models', 'fetch', name)}"
        try:
            check_path(path)
            damaged = damaged_files(entry)
        except HeedError as error:
            yield Finding(f"{name}: {error} Or {fetch}.", True)
            continue
        except OSError as error:
            yield Finding(f"{name} in {path} cannot be read ({error.strerror}): {fetch}.", True)
            continue
        yield from (Finding(f"{file} of {name} is damaged: {fetch}.", True) for file in damaged)
        if not damaged:
            yield Finding(f"The model {name} is here and intact.")
    if not ready:
        yield Finding(
            f"{DEFAULT_MODEL} is not here yet; its first run fetches it, {command_text('models', 'fetch')} now."
        )


def damaged_files(entry: Entry) -> list[Path]:
    """Returns the files of a model on this machine whose sha256 is not the one that Heed knows. Raises OSError."""
    known: list[tuple[Path, str]] = []
    if isinstance(entry.source, PyPI):
        file = gguf_path(entry.source.sha256)
        known = [(file, entry.source.sha256)] if file.exists() else []  # deleted by hand, once it is converted
    elif isinstance(entry.source, WheelFolder):
        known = [(wheel_folder(entry.source) / name, sha256) for name, sha256 in entry.source.files]
    return [path for path, sha256 in known if hash_file(path) != sha256]


def _work() -> Iterable[Finding]:
    problems = heartbeat_problems()
    yield from (Finding(problem, True) for problem in problems)
    if not problems:
        yield Finding("No dashboard of this home has stopped answering.")
