"""``make bench-peers``: Heed beside inseq, Captum and transformers alone, which have an environment of their own.

Same weights, prompts of the same length, every size in a process of its own; the ways take turns, so that a noisy
machine is noisy for all. Prints a table with medians and quartiles, and writes it with the machine's name to
docs/beside-others.md. The peers' environment lies in ``.peers`` and is made once (that needs the network).

    python -m benchmarks.peers [--pairs 5] [--save docs/beside-others.md]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.long_texts import NEW, long_run

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch==2.13.0", "transformers==5.24.0", "inseq==0.7.1", "captum==0.9.0", "psutil")
"""What the peers' environment is made of."""
MODEL = "smollm2-135m-instruct"
SIZES = (64, 1024, 4096, 8128)
LOO = (24, 8)
"""Prompt and answer of leave-one-out: Captum runs the model once for each pair of them."""
CONTEXT_GB = 4
STEPS = (256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8128)
"""Prompts that are tried for the longest context."""
KEPT = "## Long runs"
"""The heading from which on the page is left as it is: another benchmark's figures."""


def peers_python() -> str:
    """Returns the Python of the peers' environment, making it where it is not there."""
    folder = ROOT / ".peers"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (folder / "made").touch()
    return str(python)


def room_gb() -> int:
    """Returns the memory limit of a run: 24 GB, or what this machine has free where that is less."""
    import psutil

    return min(24, int(0.85 * psutil.virtual_memory().available / 1e9))


class Ways:
    """How each way is called: Heed by the model's name, the others by the folder of the same weights."""

    def __init__(self) -> None:
        from core.models import locate
        from core.models.model_key import files_of

        self._folder = str(files_of(locate(MODEL)))
        self.room = room_gb()
        self._pythons = dict.fromkeys(("inseq", "captum-loo"), peers_python())

    def run(self, way: str, prompt: int, new: int, limit: float, times: int) -> dict[str, Any]:
        """Runs one way in a process of its own, see ``long_run``."""
        name = MODEL if way.startswith("heed") else self._folder
        return long_run(way, name, prompt, new, limit, times, self._pythons.get(way, sys.executable))

    def turns(self, ways: tuple[str, ...], prompt: int, new: int, pairs: int) -> dict[str, list[dict[str, Any]]]:
        """Runs ``ways`` in turn, ``pairs`` times each; a way that fails is not run again."""
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for i in range(pairs):
            for way in ways if i % 2 == 0 else ways[::-1]:
                if not found[way] or "failed" not in found[way][-1]:
                    found[way].append(self.run(way, prompt, new, self.room, 1))
        return found


def ratio_text(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """Returns the median and quartiles of the ratios of neighbours, ours / theirs."""
    if any("failed" in one for one in (*ours, *theirs)):
        return "-"
    ratios = sorted(a["seconds"][0] / b["seconds"][0] for a, b in zip(ours, theirs, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return f"{middle:.3f} [{low:.3f} .. {high:.3f}]"


def rows_of(found: dict[str, list[dict[str, Any]]], size: str, room: int) -> list[str]:
    """Returns the lines of the table for one size: seconds, peak memory over the weights, Heed's time over theirs."""
    lines = []
    for way, runs in found.items():
        if "failed" in runs[-1]:
            lines.append(f"| {size} | {way} | does not fit into {room} GB | | |")
            continue
        took = sorted(run["seconds"][0] for run in runs)
        memory = statistics.median(run["over_weights"] for run in runs) / 1e6
        beside = "" if way.startswith("heed") else ratio_text(next(iter(found.values())), runs)
        spread = f"{statistics.median(took):.2f} s ({took[0]:.2f} .. {took[-1]:.2f})"
        lines.append(f"| {size} | {way} | {spread} | {memory:,.0f} MB | {beside} |")
    return lines


def longest(ways: Ways, way: str) -> str:
    """Returns the longest prompt of STEPS that a way reads, with NEW tokens written, in CONTEXT_GB."""
    fits = 0
    for prompt in STEPS:
        if "failed" in ways.run(way, prompt, NEW, CONTEXT_GB, 1):
            return f"{fits:,}" if fits else f"less than {STEPS[0]}"
        fits = prompt
    return f"{fits:,} (all that the model reads)"


def machine() -> str:
    """Returns this machine in words: processor, cores, memory, system."""
    import os

    import psutil

    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    chip = names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 1e9
    return f"{chip}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def report(pairs: int, say: Callable[[str], None]) -> list[str]:
    """Runs everything and returns the lines of the page; each is said as it comes."""
    ways, lines = Ways(), []

    def add(*more: str) -> None:
        lines.extend(more)
        for line in more:
            say(line)

    add("| tokens | way | time | memory over the weights | Heed / this |", "|---|---|---|---|---|")
    for prompt in SIZES:
        others = ("plain", "eager", "inseq") if prompt <= 1024 else ("plain",)
        add(*rows_of(ways.turns(("heed", *others), prompt, NEW, pairs), f"{prompt:,}+{NEW}", ways.room))
    for way in ("eager", "inseq"):
        add(*rows_of({way: [ways.run(way, SIZES[-1], NEW, ways.room, 1)]}, f"{SIZES[-1]:,}+{NEW}", ways.room))
    found = ways.turns(("heed-loo", "captum-loo"), *LOO, max(1, pairs // 2))
    add(*rows_of(found, f"leave-one-out {LOO[0]}+{LOO[1]}", ways.room), "")
    add(f"| way | longest prompt with {NEW} tokens written, in {CONTEXT_GB} GB |", "|---|---|")
    for way in ("heed", "eager", "inseq"):
        add(f"| {way} | {longest(ways, way)} |")
    return lines


def main() -> None:
    """Prints the comparison and writes it to a page of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--save", type=Path)
    asked = parser.parse_args()

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    lines = report(asked.pairs, say)
    if asked.save:
        versions = ", ".join(package for package in PACKAGES if "==" in package)
        head = [
            "# Heed beside others",
            "",
            f"SmolLM2 135M Instruct in float32, the same weights for all. {machine()}. {datetime.now(UTC):%Y-%m-%d}, "
            f"`make bench-peers`: every run in a process of its own, in turn, {asked.pairs} times; median (least .. "
            "most); in the last column the median of neighbours' ratios with quartiles. *plain* is the library's "
            "`generate` on sdpa, *eager* the same with `output_attentions`, *inseq* its attention method, *captum* its "
            f"FeatureAblation. The peers' environment: {versions}.",
            "",
        ]
        old = asked.save.read_text() if asked.save.exists() else ""
        kept = old[old.index(KEPT) :] if KEPT in old else ""
        asked.save.write_text("\n".join([*head, *lines, "", kept]).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
