"""Measures what a study of 50,000 runs and a store of as many cost to open, each in a process of its own.

    python -m benchmarks.run --only large-study

Prints seconds and the peak memory of each process: of Findings from the copy of its table and without one, of pages of
runs on Study and on Runs. Pages are drawn by Streamlit's own test runner, without a browser, after the start page was
drawn; libraries that the page is the first to need are loaded within the time. The job that computes the findings
starts while the page is drawn and runs beside it; it is not waited for, and takes far longer. What is made up says
``benchmarks.large_study``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.large_study import large_plan, large_store, large_study
from core import settings, store
from core.study import Study, table_copy

ROOT = Path(__file__).resolve().parent.parent
RUNS = 50_000
ITEMS = 625
FINDINGS_SECONDS, PAGE_SECONDS, MOST_BYTES = 10.0, 1.0, 1e9
"""Limits: of opening Findings, of a page of runs, and of the memory of the process that opens Findings."""


def large_opening(say: Callable[[str], None], items: int = ITEMS, runs: int = RUNS) -> None:
    """Prints what opening a made-up study of ``items`` x 80 runs takes, and a store of ``runs``."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEED_HOME"] = home
        began = time.perf_counter()
        ident = large_study(large_plan(items))
        large_store(Path(home), runs)
        size = (Path(home) / "studies" / ident / "study.sqlite").stat().st_size
        say(f"made up: {items * 80:,} runs of a study, {size / 1e6:.0f} MB, and {runs:,} stored runs")
        say(f"  (in {time.perf_counter() - began:.0f} s)")
        for told, kind, limit in MEASURES:
            found = in_process(kind, ident)
            over = "" if found["seconds"] <= limit else f"  OVER the limit of {limit:.0f} s"
            over += "  OVER the limit of 1 GB" if found["bytes"] > MOST_BYTES else ""
            say(f"{told:58} {found['seconds']:6.2f} s   peak {found['bytes'] / 1e6:6.0f} MB{over}")


MEASURES = (
    ("The copy of the table, made when a study is done", "copy", float("inf")),
    ("Findings", "findings", FINDINGS_SECONDS),
    ("Findings after a change: every row read and checked anew", "findings-anew", float("inf")),
    ("Study: the newest page of its runs", "study", PAGE_SECONDS),
    ("Study: a page in the middle", "study-next", PAGE_SECONDS),
    ("The index of the stored runs, made anew", "index", float("inf")),
    ("Runs: the first page", "runs-first", PAGE_SECONDS),
    ("Runs: the next page", "runs-next", PAGE_SECONDS),
    ("Runs: a search", "runs-search", PAGE_SECONDS),
)


def in_process(kind: str, ident: str) -> dict[str, float]:
    """Returns {seconds, bytes} of one measure, taken in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.large_opening", kind, ident]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{kind} ended early:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def opened(page: str, **query: str) -> tuple[Any, float]:
    """Returns (the page as drawn, seconds); Explore was drawn before it."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    app.run()
    app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app, _drawn(app)


def _drawn(app: Any) -> float:
    """Runs the page and returns how long that takes; ends the measure where the page tells of an error."""
    seconds = timed(app.run)
    if app.exception or app.error:
        raise SystemExit(f"The page failed: {[*app.exception, *app.error][0].value}")
    return seconds


def timed(work: Callable[[], Any]) -> float:
    """Returns how long ``work`` takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _study(ident: str, page: int) -> float:
    app, _ = opened("study", study=ident)
    app.toggle(key=f"study_answers_{ident}").set_value(True)
    seconds = _drawn(app)
    if page > 1:
        app.number_input(key=f"study_answers_page_{ident}").set_value(page)
        seconds = _drawn(app)
    return seconds


def _runs(what: str) -> float:
    app, seconds = opened("runs")
    if what == "next":
        app.number_input(key="page").set_value(2)
        seconds = _drawn(app)
    elif what == "search":
        app.text_input(key="query").set_value("harbour lantern 7b")
        seconds = _drawn(app)
    return seconds


def measure(kind: str, ident: str) -> float:
    """Returns the seconds of one measure, in this process."""
    if kind == "index":
        for path in settings.home_path().glob("index.sqlite*"):
            path.unlink()
        return timed(store.page_of_runs)
    if kind == "copy":
        return timed(Study(ident).table)
    if kind.startswith("findings"):
        if kind.endswith("anew"):
            shutil.rmtree(Study(ident).folder / table_copy.FOLDER)
        return opened("findings", study=ident)[1]
    if kind.startswith("study"):
        return _study(ident, 120 if kind.endswith("next") else 1)
    return _runs(kind.removeprefix("runs-"))


def peak_bytes() -> int:
    """Returns the most memory that this process has had, without its parent's, which ``getrusage`` may count."""
    with suppress(OSError):
        (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Takes one measure and prints it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind")
    parser.add_argument("ident")
    asked = parser.parse_args()
    seconds = measure(asked.kind, asked.ident)
    sys.stdout.write(json.dumps({"seconds": seconds, "bytes": peak_bytes()}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the job of the findings goes on for long


if __name__ == "__main__":
    main()
