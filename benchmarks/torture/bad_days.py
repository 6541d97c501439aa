"""A full disk, a read-only folder, a clock that is put back, and two processes on one store.

Disk and folder are real where this process may make mounts of its own (root on Linux): a tmpfs that is filled, a
read-only bind mount, both in a namespace that ends with the fork. Elsewhere the full disk is a limit on the size of
files, and the folder's rights are taken away from whoever is not root.
"""

from __future__ import annotations

import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.torture.forks import ChildFailed, in_fork
from benchmarks.torture.killing import look, undisturbed, world
from benchmarks.torture.works import WORKS, Work, fresh_copy
from core.errors import HeedError


@dataclass
class Day:
    """What became of one kind of bad day."""

    name: str
    how: str
    tries: int = 0
    through: int = 0
    """Finished all the same."""
    said: int = 0
    """Ended with a sentence for people."""
    wrong: int = 0
    """Lost, doubled, left over, different, or a raw exception."""
    told: list[str] = field(default_factory=list)

    def add(self, outcome: str, wrong: list[str]) -> None:
        """Counts one try."""
        self.tries += 1
        self.through += outcome == "through"
        self.said += outcome == "said"
        self.wrong += bool(wrong)
        self.told += wrong


KILOBYTES = (0, 4, 8, 16, 24, 40, 64, 100, 160, 256, 400)
"""What is left of the full disk."""


@cache
def can_mount() -> bool:
    """Returns whether a fork may have mounts of its own."""

    def attempt() -> bool:
        own_mounts()
        return subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0

    try:
        return bool(in_fork(attempt))
    except ChildFailed:
        return False


def own_mounts() -> None:
    """Gives this process mounts of its own. Raises OSError where it may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(0x00020000):
        raise OSError(ctypes.get_errno(), "no mounts of its own")
    _mount("--make-rprivate", "/")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def full_disk(work: Work, folder: Path, tries: int) -> Day:
    """Does ``work`` on a disk with fewer or more kilobytes left, frees it, and looks as after a kill."""
    found = Day(f"full disk: {work.name}", "tmpfs" if can_mount() else "RLIMIT_FSIZE")
    left = [KILOBYTES[number * len(KILOBYTES) // tries] for number in range(tries)]
    _each(found, work, folder, tries, lambda place, number: _on_full_disk(work, place, left[number]))
    return found


def read_only(work: Work, folder: Path, tries: int) -> Day:
    """Does ``work`` in folders that cannot be written, makes them writable, and looks as after a kill."""
    found = Day(f"read-only: {work.name}", "bind mount" if can_mount() else "rights")
    _each(found, work, folder, tries, lambda place, number: _in_read_only(work, place))
    return found


def _each(found: Day, work: Work, folder: Path, tries: int, attempt: Callable[[Path, int], tuple[str, Any]]) -> None:
    """Tries it in fresh worlds. The state of the undisturbed work is looked up once."""
    template, place, whole, _ = undisturbed(work, folder)
    for number in range(tries):
        fresh_copy(template, place)

        def one(number: int = number) -> tuple[str, Any]:
            outcome, undo = attempt(place, number)
            undo()
            seen = in_fork(lambda: look(work, whole, []))
            return outcome, seen["told"]

        with world(place):
            try:
                outcome, wrong = in_fork(one)
            except ChildFailed as error:
                outcome, wrong = "raw", [str(error).strip()[-600:]]
        if outcome.startswith("raw"):
            wrong = [outcome, *wrong]
        found.add(outcome, wrong)


def _outcome(work: Work) -> str:
    """Returns how the work ended: through, said (a sentence), or raw and what."""
    from core.models.fetch_process import disk_sentence

    try:
        work.do(lambda what: None)
    except HeedError as error:
        return "said" if str(error).strip() else "raw empty message"
    except OSError as error:
        if work.name in ("a conversion", "a download"):  # the fetching process says it so
            return "said" if disk_sentence(error) else "raw"
        return f"raw {type(error).__name__}: {error}"
    except Exception as error:
        return f"raw {type(error).__name__}: {error}"
    return "through"


def _on_full_disk(work: Work, place: Path, kilobytes: int) -> tuple[str, Callable[[], None]]:
    if not can_mount():

        def limited() -> str:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 100, resource.RLIM_INFINITY))
            return _outcome(work)

        return in_fork(limited), lambda: None
    own_mounts()
    kept = place.with_name("kept")
    fresh_copy(place, kept)
    _mount("-t", "tmpfs", "-o", "size=64m", "none", str(place))
    shutil.copytree(kept, place, dirs_exist_ok=True)
    filler = place / "filler"
    free = shutil.disk_usage(place).free - kilobytes * 1024
    with filler.open("wb") as file:
        for _ in range(max(0, free) // 4096):
            file.write(b"x" * 4096)
    return in_fork(lambda: _outcome(work)), filler.unlink


def _in_read_only(work: Work, place: Path) -> tuple[str, Callable[[], None]]:
    if not can_mount():
        folders = [path for path in [*place.rglob("*")] if path.is_dir()]
        for path in folders:
            path.chmod(0o500)
        return in_fork(lambda: _outcome(work)), lambda: [path.chmod(0o700) for path in folders] and None
    own_mounts()
    _mount("--bind", str(place), str(place))
    _mount("-o", "remount,bind,ro", str(place))
    before = in_fork(work.state)
    outcome = in_fork(lambda: _outcome(work))
    assert in_fork(work.state) == before, "what was there reads otherwise in a read-only folder"
    return outcome, lambda: _mount("-o", "remount,bind,rw", str(place))


def two_processes(folder: Path, rounds: int) -> Day:
    """Two processes run the same and other requests and one study, name, star and delete, on one store."""
    found = Day("two processes on one store", "forks")
    for number in range(rounds):
        place = folder / f"two-{number}"
        for name in ("home", "models"):
            (place / name).mkdir(parents=True)
        with world(place):
            try:
                wrong = in_fork(lambda number=number: _both(number))  # type: ignore[misc]
            except ChildFailed as error:
                wrong = [str(error).strip()[-600:]]
        found.add("through", wrong)
        shutil.rmtree(place, ignore_errors=True)
    return found


def _both(number: int) -> list[str]:
    """Starts both, waits for them, and returns what is wrong afterwards."""
    from benchmarks.torture import works

    pipes = []
    for who in range(2):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                _busy(who)
                code = 0
            except BaseException as error:
                import traceback

                told = f"{type(error).__name__}: {error} " + " | ".join(traceback.format_exc().splitlines()[-6:])
                os.write(write, told.encode()[:4000])
            finally:
                os._exit(code)
        os.close(write)
        pipes.append((pid, read))
    wrong = []
    for pid, read in pipes:
        _, code = os.waitpid(pid, 0)
        wrong += [f"a process failed: {os.read(read, 4000).decode()}"] if code else []
        os.close(read)
    runs = works.runs_state()
    wrong += [f"{len(runs)} runs instead of 8"] if len(runs) != 8 else []
    wrong += ["doubled"] if works.doubled_runs() or works.doubled_cells() else []
    names = sorted(info.name for info in works.store.find_runs(limit=99) if info.name)
    wrong += [f"names {names}"] if names != ["of 0", "of 1", "shared"] else []
    cells = [name for name in works.study_state() if " " not in name]
    wrong += [f"{len(cells)} cells instead of 16"] if len(cells) != 16 else []
    works.remove_and_count(wrong)
    return wrong


def _busy(who: int) -> None:
    from benchmarks.torture import works
    from core import store
    from tests.core import store_made_up

    works.make_runs(lambda what: None)
    own = [store_made_up.trace(text=f"of {who} {n}") for n in range(3)]
    shared = store_made_up.trace(text="shared")
    for one in own:
        store.save_run(one)
        store.save_run(shared)
        store.find_runs()
        assert store_made_up.same(store.load_run(one.id), one) and store_made_up.same(store.load_run(shared.id), shared)
    store.name_run(own[0].id, f"of {who}")
    store.star_run(own[0].id)
    store.name_run(shared.id, "shared")
    store.star_run(shared.id, who == 0)
    store.delete_runs([own[2].id])
    works.run_study(lambda what: None)
    until = time.monotonic() + 20
    while time.monotonic() < until:  # the other process may still hold cells
        study = works.tiny_study()
        status = study.status()
        study.close()
        if status.over:
            return
        time.sleep(0.02)
        works.run_study(lambda what: None)
    raise AssertionError(f"the study does not end: {status.text}")


DAY = 86400


def clock_back(work: Work, folder: Path, tries: int, rng: random.Random) -> Day:
    """Begins ``work`` on a clock that is a day ahead, puts it back at a random moment, and ends it on the true one."""
    found = Day(f"clock put back: {work.name}", "time.time and times of files")

    looks = [rng.randrange(1, 40) for _ in range(tries)]

    def attempt(place: Path, number: int) -> tuple[str, Callable[[], None]]:
        in_fork(lambda: _ahead(work, place, looks[number]))
        return in_fork(lambda: _outcome(work)), lambda: None

    _each(found, work, folder, tries, attempt)
    found.add("through", in_fork(lambda: _clock_wrongs(folder / "place")))
    return found


def _ahead(work: Work, place: Path, calls: int) -> None:
    """Does the work while the clock is a day ahead for so many looks at it; files get times of then."""
    real, looks = time.time, 0

    def ahead() -> float:
        nonlocal looks
        looks += 1
        return real() + (DAY if looks <= calls else 0)

    time.time = ahead
    try:
        work.do(lambda what: None)
    finally:
        time.time = real
    for path in place.rglob("*"):
        if path.is_file() and _was_ahead(path):
            seen = path.stat()
            os.utime(path, (seen.st_atime + DAY, seen.st_mtime + DAY))


def _was_ahead(path: Path) -> bool:
    """Returns whether a file was written while the clock was ahead: about half of them."""
    return sum(path.name.encode()) % 2 == 0


def _clock_wrongs(place: Path) -> list[str]:
    """Returns what a clock that was put back does to order, eviction, what is set aside, estimates and heartbeats."""
    from core import store
    from core.jobs import heartbeat, job_queue, waiting_runs
    from core.settings import home_path
    from core.store import quarantine
    from tests.core import store_made_up

    shutil.rmtree(place, ignore_errors=True)
    (place / "home").mkdir(parents=True)
    os.environ.update(HEED_HOME=str(place / "home"), HEED_MODELS=str(place / "models"))
    old, new = (store_made_up.trace(text=text) for text in ("before", "after"))
    store.save_run(old)
    used = home_path() / "runs" / old.id / "used"
    os.utime(used, (time.time() + DAY,) * 2)
    store.save_run(new)
    wrong = ["order of runs"] if [i.id for i in store.find_runs()] != [new.id, old.id] else []
    os.environ["HEED_STORE_GB"] = str((store.store_usage()[0] - 10) / 1e9)
    store.evict_rows()
    wrong += ["the newest run lost its rows"] if not store.has_rows(new.id) or store.has_rows(old.id) else []
    quarantine.MOST_SET_ASIDE = 1
    for number in range(2):
        (home_path() / f"x{number}").write_text("x")
        aside = quarantine.set_aside(home_path() / f"x{number}")
        os.utime(aside, (time.time() + DAY * (1 - number),) * 2)
    wrong += ["what was set aside last is gone"] if [p.name[:2] for p in store.set_aside_paths()] != ["x1"] else []
    real, offset = time.time, [DAY]
    time.time = lambda: real() + offset[0]
    waiting_runs.keep_waiting("ab" * 16, new.request)
    queue = job_queue.Jobs()
    hold = queue.submit("a", lambda progress, cancelled: real_wait(cancelled), seconds=100.0)
    while hold.state == "queued":
        time.sleep(0.01)
    heartbeat.beat([hold])
    offset[0] = 0
    wrong += ["a job has more time left than it needs"] if not 90 <= (hold.left or 0) <= 100 else []
    wrong += ["a heartbeat of before counts"] if not heartbeat.heartbeat_problems() else []
    heartbeat.beat([hold])
    wrong += ["a living process counts as stopped"] if heartbeat.heartbeat_problems() else []
    waiting_runs.keep_waiting("cd" * 16, old.request)
    wrong += ["a waiting request is gone"] if waiting_runs.waiting_request("ab" * 16) != new.request else []
    hold.cancel()
    return wrong


def real_wait(cancelled: Callable[[], bool]) -> None:
    """Works until it is cancelled."""
    while not cancelled():
        time.sleep(0.01)


def days(folder: Path, tries: int, rng: random.Random, only: str) -> list[Day]:
    """Returns what became of each kind whose name holds ``only``; ``tries`` as of the whole command."""
    each = max(1, tries // 50)
    found = []
    for work in WORKS.values():
        if only in f"full disk: {work.name}":
            found.append(full_disk(work, folder / f"full-{work.name.replace(' ', '-')}", each))
        if only in f"read-only: {work.name}":
            found.append(read_only(work, folder / f"ro-{work.name.replace(' ', '-')}", max(1, each // 2)))
        if only in f"clock put back: {work.name}":
            found.append(clock_back(work, folder / f"clock-{work.name.replace(' ', '-')}", max(1, each // 2), rng))
    if only in "two processes on one store":
        found.append(two_processes(folder, max(1, tries // 20)))
    return found
