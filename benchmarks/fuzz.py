"""``make fuzz``: hostile input at every door, thousands of tries; a table of what was refused, accepted and lost.

    python -m benchmarks.fuzz [--examples N] [--seed S] [--only DOOR ...] [--save FOLDER]

Each door (``tests/core/fuzz_doors.py``) has a process of its own, with limits of memory and of time for one try, so
that one that never ends or takes all memory is a failure of that door and no more. A failing input is made smaller by
hypothesis and kept in FOLDER. Exits with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRY_SECONDS = 30
"""Seconds of one try after which it counts as one that does not end."""
DOOR_SECONDS = 1_200
MOST_MEMORY = 12 << 30
"""Bytes of addresses of one door's process; torch alone reserves some."""


LINE = "{:16} {:>6} {:>8} {:>9} {:>9} {:>8} {:>8} {:>6}"


class NoEnd(BaseException):
    """A try took too long."""


def main(arguments: list[str] | None = None) -> int:
    """Tries the doors; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=300, help="tries of a usual door")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names of doors")
    parser.add_argument("--save", type=Path, default=ROOT / "fuzz-failures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        print(json.dumps(tried(asked.child, asked.examples, asked.seed, asked.save)))  # noqa: T201
        return 0
    from tests.core.fuzz_doors import DOORS

    unknown = [name for name in asked.only if name not in DOORS]
    if unknown:
        parser.error(f"there is no door {unknown[0]!r}: the doors are {', '.join(DOORS)}")
    say(LINE.format("door", "tries", "refused", "accepted", "failures", "seconds", "slowest", "MB"))
    found = [report(name, asked) for name in asked.only or DOORS]
    total = [sum(one[key] for one in found) for key in ("tries", "refused", "accepted", "failures")]
    say(LINE.format("all", *(f"{one:,}" for one in total), "", "", ""))
    return int(total[3] > 0)


def say(text: str) -> None:
    """Prints one line at once."""
    print(text, flush=True)  # noqa: T201


def report(name: str, asked: Any) -> dict[str, Any]:
    """Tries one door in a process of its own and prints its line."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--child", name, "--examples", str(asked.examples)]
    command += ["--seed", str(asked.seed), "--save", str(asked.save)]
    began, one = time.monotonic(), {"tries": 0, "refused": 0, "accepted": 0, "failures": 1, "slowest": 0.0, "memory": 0}
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=DOOR_SECONDS, check=False)
        lines = done.stdout.strip().splitlines()
        one |= (
            json.loads(lines[-1])
            if lines and not done.returncode
            else {"told": f"it ended with {done.returncode}: {done.stderr[-800:]}"}
        )
    except (subprocess.TimeoutExpired, ValueError) as error:
        one["told"] = f"no end: {error!s:.200}"
    took = time.monotonic() - began
    counts = [f"{one[key]:,}" for key in ("tries", "refused", "accepted", "failures")]
    say(LINE.format(name, *counts, f"{took:.1f}", f"{one['slowest']:.2f}", f"{one['memory']:,}"))
    if one.get("told"):
        say(f"    {one['told']}")
    return one


def tried(name: str, examples: int, seed: int, save: Path) -> dict[str, Any]:
    """Tries one door in this process; returns its counts and, where it failed, what was told."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from tests.core.fuzz_doors import DOORS, Arena, try_door

    door, counts = DOORS[name], {"tries": 0, "refused": 0, "accepted": 0}
    last: dict[str, Any] = {"slowest": 0.0, "failing": None}
    with tempfile.TemporaryDirectory(prefix="heed-fuzz-") as made:
        arena = Arena.at(Path(made))
        os.environ |= {"HEED_HOME": f"{made}/home", "HEED_MODELS": f"{made}/models", "HF_HUB_OFFLINE": "1"}
        sys.dont_write_bytecode = True
        _limits()

        def once(value: Any) -> None:
            counts["tries"] += 1
            begun = time.monotonic()
            signal.alarm(TRY_SECONDS)
            try:
                counts[try_door(door, value, arena)] += 1
            except BaseException:
                last["failing"] = value
                raise
            finally:
                signal.alarm(0)
                last["slowest"] = max(last["slowest"], time.monotonic() - begun)

        told = ""
        try:
            for value in door.kept:
                once(value)
            many = max(int(examples * door.share), 5)
            phases = (Phase.generate, Phase.shrink)
            usual = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
            asked = settings(max_examples=many, phases=phases, report_multiple_bugs=False, **usual)
            seeded(seed)(asked(given(door.inputs())(once)))()
        except BaseException as error:
            told = _said(error)
            told += f"\n    kept as {_saved(save, name, last['failing'])}"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return counts | {"failures": int(bool(told)), "slowest": last["slowest"], "memory": memory, "told": told}


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    signal.signal(signal.SIGALRM, _no_end)


def _no_end(*_: Any) -> None:
    raise NoEnd(f"it took more than {TRY_SECONDS} s")


def _said(error: BaseException) -> str:
    """What went wrong, in one or two lines; of several errors (hypothesis groups them) the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error)[:700]}\n    {_where(error)}"


def _where(error: BaseException) -> str:
    """The last places in Heed that an error came through."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if str(ROOT) in f.filename and ".venv" not in f.filename
    ]
    return " <- ".join(f"{Path(f.filename).relative_to(ROOT)}:{f.lineno}" for f in frames[:-7:-1])


def _saved(folder: Path, name: str, value: Any) -> Path:
    """Writes a failing input as Python's own notation, which a test can take over."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace(' ', '-')}.txt"
    path.write_text(repr(value), encoding="utf-8", errors="backslashreplace")
    return path


if __name__ == "__main__":
    sys.exit(main())
