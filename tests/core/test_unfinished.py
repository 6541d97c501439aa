"""Tests of the names of unfinished files: who writes, whether that process lives, and what is removed."""

import os
import socket
import subprocess
import sys
import tempfile

from core import unfinished


def ended_writer() -> str:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return f"{socket.gethostname()}-{child.pid}.{unfinished.process_start(os.getpid())}"


def test_a_living_writer_is_known_and_an_ended_one_too(tmp_path):
    own = tmp_path / os.path.basename(tempfile.mkstemp(prefix=unfinished.unfinished_prefix(), dir=tmp_path)[1])
    host, start = socket.gethostname(), unfinished.process_start(os.getpid())
    names = [
        f".tmp-{ended_writer()}-a1", f".new-{host}-{os.getpid()}.{int(start) - 1}-a1", f".new-{host}-{os.getpid()}-a1",
        ".new-other-host-7.1-aa", ".new-abc",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).mkdir()
    left = [unfinished.is_left_behind(tmp_path / name) for name in names]
    assert left == [True, True, False, False, False] and not unfinished.is_left_behind(own)
    os.utime(tmp_path / ".new-abc", (0, 0))
    os.utime(own, (0, 0))
    assert unfinished.remove_left_behind(tmp_path.iterdir()) == 3 and own.exists(), (
        "its writer lives, however old it is"
    )
    assert not (tmp_path / ".new-abc").exists(), "a day old, of an older version"


def test_a_start_is_known_of_living_processes_only():
    assert unfinished.process_start(os.getpid()) == unfinished.process_start(os.getpid()) != ""
    assert unfinished.process_start(2**31 - 1) == ""
