"""Runs several worker processes on one study, each with its own model and its share of the cores.

Processes and not threads, since one process runs one model at a time; and started afresh, since the number of torch's
threads is read when it is imported. A worker that ends early is started again while there is work, so that one run that
kills its process cannot stop the others. Workers end by themselves when this process is gone. Guarded by
tests/core/test_study_resume.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..processes import module_command, module_environment
from ..progress import IsCancelled

RESTARTS = 12
"""Most restarts of workers in one call."""
PATIENCE = 60.0
"""Seconds that a worker gets to end by itself."""


def usable_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_workers(folder: Path, workers: int, pilot: bool, waiting: Callable[[], int], tick: IsCancelled) -> list[str]:
    """Runs ``workers`` processes until ``waiting()`` is 0 or ``tick()`` (called twice a second) returns True.

    Returns the last log line of each failed worker.
    """
    running = {number: _start(folder, number, workers, pilot) for number in range(workers)}
    restarts, failures = 0, []
    try:
        while running:
            time.sleep(0.5)
            if tick():
                break
            for number, process in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                del running[number]
                if code != 0:
                    failures.append(f"killed by signal {-code}" if code < 0 else _last_words(folder, number))
                    if waiting() and restarts < RESTARTS:
                        restarts += 1
                        running[number] = _start(folder, number, workers, pilot)
    finally:
        _end(list(running.values()))
    return failures


def serve_worker(folder: Path, number: int, parent: int, pilot: bool) -> None:
    """Runs a worker until nothing is left, it is signalled to end, or its parent is gone.

    The last one fills in relevance too: torch is imported here, which takes seconds in the process of a page.
    """
    from .worker import Worker

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())

    def cancelled() -> bool:
        return stop.is_set() or os.getppid() != parent

    worker = Worker(folder, cancelled=cancelled, pilot=pilot)
    try:
        worker.work(number)
        worker.fill_relevance()
    finally:
        worker.close()


def _start(folder: Path, number: int, workers: int, pilot: bool) -> subprocess.Popen[bytes]:
    threads = str(max(1, usable_cores() // workers))
    env = module_environment(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    line = module_command("study", "work", str(folder), str(number), str(os.getpid()), *["--pilot"] * pilot)
    with (folder / f"worker-{number}.log").open("ab") as log:
        return subprocess.Popen(line, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(folder: Path, number: int) -> str:
    path = folder / f"worker-{number}.log"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")[:300]
