"""Watches what a try does beside its result: files outside its folders, processes, connections, unpickled classes.

Python tells all of that to audit hooks (PEP 578). A hook cannot be taken away, so there is one, which listens while a
``watched`` block is open.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "pickle.find_class",
              "socket.connect", "socket.getaddrinfo", "urllib.Request", "ftplib.connect", "webbrowser.open")  # fmt: skip
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree",
            "shutil.move", "shutil.copyfile", "shutil.make_archive", "shutil.unpack_archive")  # fmt: skip
BAIT = ("/etc/passwd", "/etc/shadow", "/dev/zero", "/proc/self/environ")
"""Files that no input may have opened."""
KNOWN = (os.devnull, os.path.realpath(os.path.join(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")))
"""What libraries open when they are imported."""
_now: Watch | None = None


class Watch:
    """What was seen in one block; ``own``: the folders in which files may be read and written."""

    def __init__(self, arena: Path, own: tuple[Path, ...]) -> None:
        self.arena, self.own = os.path.realpath(arena), tuple(os.path.realpath(path) for path in own)
        self.seen: list[str] = []

    def inside(self, path: Any) -> bool:
        """Whether a path lies in a folder that a try may use, or is byte code that Python keeps of a module."""
        real = os.path.realpath(os.fsdecode(path))
        if any(real == own or real.startswith(own + os.sep) for own in self.own) or real in KNOWN:
            return True
        return "__pycache__" in real.split(os.sep)[-2:] and not real.startswith(self.arena + os.sep)

    def told(self, event: str, args: tuple[Any, ...]) -> None:
        """Notes an event that no try may cause."""
        if event in _FORBIDDEN:
            self.seen.append(f"{event} {args!r:.200}")
        elif event == "subprocess.Popen" and list(map(str, args[1] or ()))[:2] != [sys.executable, "-m"]:
            self.seen.append(f"{event} {args[1]!r:.200}")
        elif event in _CHANGES and not all(map(self.inside, _changed_paths(args))):
            self.seen.append(f"{event} {args!r:.200}")
        elif event == "open" and isinstance(args[0], (str, bytes)):
            self._opened(args[0], args[1], args[2])

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        real = os.path.realpath(os.fsdecode(path))
        bait = real in BAIT or (real.startswith(self.arena + os.sep) and not self.inside(path))
        if bait or (writes and not self.inside(path)):
            self.seen.append(f"open {real} {mode} {flags}")


def _changed_paths(args: tuple[Any, ...]) -> list[str]:
    """The paths of an event, each below the open folder that it is relative to, if there is one."""
    folders = [f for f in args if isinstance(f, int) and not isinstance(f, bool) and f >= 0]
    below = os.path.realpath(f"/proc/self/fd/{folders[-1]}") if folders else ""
    return [os.path.join(below, os.fsdecode(a)) for a in args[:2] if isinstance(a, (str, bytes, os.PathLike))]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _now is not None and event.partition(".")[0] in _LISTENED:
        _now.told(event, args)


_LISTENED = {name.partition(".")[0] for name in (*_FORBIDDEN, *_CHANGES, "open", "subprocess.Popen")}
sys.addaudithook(_hook)


@contextmanager
def watched(arena: Path, *own: Path) -> Iterator[Watch]:
    """Watches what happens inside the block; the folders ``own`` below ``arena`` may be written, nothing else."""
    global _now
    before, _now = _now, Watch(arena, own)
    try:
        yield _now
    finally:
        _now = before
