"""Reads files of a model only where they are regular files of its own folder, and no more of them than is sensible.

A model folder comes from a stranger: a link to ``/dev/zero`` never ends, a pipe blocks whoever opens it, a link to
``/etc/passwd`` would be read and shown in an error. So every file is looked at before it is opened, links must stay
inside the folder (in the hub's cache: inside the repository, where a snapshot's files are links to its blobs), and what
is parsed is bounded in bytes. Not defended: a folder that somebody changes while it is read. Guarded by
tests/core/test_models_regular_files.py.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelError

LARGEST_JSON = 20_000_000
"""Bytes of a configuration or an index; the largest published ones have some 10 MB."""
LARGEST_TOKENIZER = 500_000_000
"""Bytes of a file that a tokenizer reads; the largest published ones have some 40 MB."""
MOST_FILES = 10_000

_NOT_PARSED = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx")


def open_regular(path: str | Path) -> BinaryIO:
    """Opens a regular file for reading, without ever waiting for a pipe. Raises OSError for anything else."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # some devices act when they are opened
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(handle, "rb")


def read_small(path: str | Path, most: int = LARGEST_JSON) -> str:
    """Returns the UTF-8 text of a regular file of at most ``most`` bytes. Raises OSError, ValueError for other text."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return data.decode("utf-8")


def check_folder_files(folder: Path) -> None:
    """Raises ModelError, one sentence, for a model folder with links that leave it, devices, pipes or huge settings."""
    root = os.path.realpath(folder)
    if os.path.basename(os.path.dirname(root)) == "snapshots":
        root = os.path.dirname(os.path.dirname(root))
    _check_entries(folder, root)
    templates = folder / "additional_chat_templates"
    if templates.is_dir():
        _check_entries(templates, root)


def _check_entries(folder: Path, root: str) -> None:
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= MOST_FILES:
                    raise ModelError(f"{folder} holds more than {MOST_FILES:,} files: give the model's own folder.")
                _check_entry(entry, root)
    except OSError as error:
        raise ModelError(f"{folder} cannot be read ({error.strerror}): check your rights on it.") from error


def _check_entry(entry: os.DirEntry[str], root: str) -> None:
    if entry.is_symlink() and not os.path.realpath(entry.path).startswith(root + os.sep):
        raise ModelError(
            f"{entry.name} in {os.path.dirname(entry.path)} is a link that leads out of the model's folder: "
            "copy the file itself into the folder."
        )
    try:
        seen = entry.stat()
    except OSError:  # a link to nothing: whoever needs the file says that it is missing
        return
    if stat.S_ISDIR(seen.st_mode):
        return
    if not stat.S_ISREG(seen.st_mode):
        raise ModelError(
            f"{entry.name} in {os.path.dirname(entry.path)} is no regular file but a device, pipe or socket: "
            "copy the model's files into a folder of their own."
        )
    most = LARGEST_TOKENIZER if entry.name.startswith(("tokenizer.", "vocab", "merges")) else LARGEST_JSON
    if entry.name.endswith((".json", ".jinja")) and seen.st_size > most:
        raise ModelError(
            f"{entry.name} in {os.path.dirname(entry.path)} has {seen.st_size:,} bytes, more than the {most:,} that "
            "such a file may have: copy or fetch the model again."
        )
    if seen.st_size > LARGEST_TOKENIZER and not entry.name.endswith(_NOT_PARSED):
        raise ModelError(
            f"{entry.name} in {os.path.dirname(entry.path)} has {seen.st_size:,} bytes and is no weights file: "
            "move it out of the model's folder."
        )
