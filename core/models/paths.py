"""Paths of model files on this machine, and a cache of hashes and header values per file.

Below HEED_MODELS: ``files/<sha256>.gguf`` (verified), ``converted/<sha256>-<dtype>/`` (what is loaded), ``hub/`` (the
hub's own cache layout), ``downloads/`` (unfinished), ``refs/`` (descriptions of models from when they were loaded),
``facts/`` (hashes and header values, valid while size and time of a file stay the same), ``locks/``. The user's own hub
cache is read too, never written. Reading needs no write access; only ``make_folder`` creates folders. Complete files
and folders appear by one rename. Guarded by tests/core/test_models_model_key.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import HeedError
from ..seals import with_seal, without_seal
from ..settings import models_home, models_path
from ..unfinished import unfinished_prefix
from .regular_files import open_regular, read_small

READ_BYTES = 1 << 20
CONVERTER = 1
"""Version of the conversion: raise it when conversion changes, so that old results are made again."""


def make_folder(folder: str) -> Path:
    """Creates and returns a folder below HEED_MODELS. Raises StoreError when it cannot be written."""
    path = models_home() / folder
    path.mkdir(exist_ok=True)
    return path


def gguf_path(sha256: str) -> Path:
    """Returns the path of the verified GGUF with this hash, whether or not it exists."""
    return models_path() / "files" / f"{sha256}.gguf"


def converted_path(sha256: str, dtype: str) -> Path:
    """Returns the path of the converted GGUF; complete if ``is_converted``."""
    return models_path() / "converted" / f"{sha256}-{dtype}"


def is_converted(folder: Path) -> bool:
    """Returns whether the folder is complete and made by this version of the converter."""
    return read_json_file(folder / "heed.json").get("converter") == CONVERTER


def hub_snapshot(repo: str, revision: str) -> Path | None:
    """Returns the folder of a hub model that is complete on this machine (Heed's cache, else the user's), or None."""
    for cache in hub_caches():
        model = cache / ("models--" + repo.replace("/", "--"))
        commit = _read_text(model / "refs" / revision) or revision
        folder = model / "snapshots" / commit
        if (model / f"complete-{commit}").exists() or (cache != models_path() / "hub" and _looks_complete(folder)):
            return folder
    return None


def hub_caches() -> list[Path]:
    """Returns Heed's own hub cache, then the user's (HF_HUB_CACHE, HF_HOME or ~/.cache)."""
    env = os.environ
    home = env.get("HF_HOME") or os.path.join(env.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    theirs = Path(env.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()
    return [models_path() / "hub", theirs]


def _looks_complete(folder: Path) -> bool:
    tokenizer = any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))
    weights = weight_files(folder)
    return tokenizer and (folder / "config.json").exists() and bool(weights) and all(w.exists() for w in weights)


def weight_files(folder: Path) -> list[Path]:
    """Returns the safetensors files that transformers would load, named by the index if there is one; [] if none."""
    single = folder / "model.safetensors"
    if single.exists():
        return [single]
    names = read_json_file(folder / "model.safetensors.index.json").get("weight_map")
    if isinstance(names, dict):
        return [folder / str(name) for name in sorted(set(names.values()))]
    return []


def tokenizer_files(folder: Path) -> list[Path]:
    """Returns the files that decide tokens: ``tokenizer.json`` alone where it exists, else the vocabulary files."""
    if (folder / "tokenizer.json").exists():
        return [folder / "tokenizer.json"]
    patterns = ("*.model", "vocab.*", "merges.txt", "added_tokens.json", "tekken.json", "*.tiktoken")
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def remember_by_file(path: Path, what: str, compute: Callable[[Path], Any]) -> Any:
    """Returns ``compute(path)`` (JSON-able), cached on disk while the file's size and time stay the same."""
    real = path.resolve()
    stat = real.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    note = models_path() / "facts" / f"{hashlib.sha256(f'{what}:{real}'.encode()).hexdigest()[:40]}.json"
    seen = _sealed(note)
    if seen.get("stamp") == stamp and "value" in seen:
        return seen["value"]
    value = compute(real)
    try:
        make_folder("facts")
        write_json_file(note, with_seal({"stamp": stamp, "path": str(real), "what": what, "value": value}))
    except (HeedError, OSError):
        pass  # in a read-only home the value is only not cached
    return value


def _sealed(path: Path) -> dict[str, Any]:
    """Returns the object in a sealed JSON file; {} where it is missing or damaged."""
    try:
        return without_seal(read_json_file(path))
    except ValueError:
        return {}


def file_sha256(path: Path) -> str:
    """Returns the sha256 (hex) of a file, cached on disk."""
    return str(remember_by_file(path, "sha256", hash_file))


def hash_file(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Returns the sha256 (hex) of a file; ``progress`` gets the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done)
    return digest.hexdigest()


def read_json_file(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file; {} where it is missing, damaged, huge, or not an object."""
    try:
        value = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json_file(path: Path, value: dict[str, Any]) -> None:
    """Writes atomically: readers see the old file or the new one."""
    handle, temporary = tempfile.mkstemp(prefix=unfinished_prefix(), dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read_text(path: Path) -> str:
    try:
        return read_small(path, 1000).strip()
    except (OSError, ValueError):
        return ""
