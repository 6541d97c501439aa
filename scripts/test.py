"""``make test``: a browser, the default model, then every test in two pytest runs of several processes.

Quick tests go first, so that a broken function is told before a server starts: rules and set-up, core,
pages in AppTest, README; then, in fresh processes without what these left in memory, a real browser. More
arguments go to pytest: ``.venv/bin/python scripts/test.py -k sinks``. Runs go to folders of their own;
weights to the usual place (HEED_MODELS), fetched once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("explore", "compare", "grid", "start", "people", "whatif", "screenshots", "diagrams", "odd_runs")
BROWSER = sorted(
    (str(path.relative_to(ROOT)) for path in (ROOT / "tests/browser").glob("test_*.py")),
    key=lambda path: next((at for at, name in enumerate(LONGEST) if f"test_{name}." in path), len(LONGEST)),
)
"""The longest files first, so that no process is left alone with one of them at the end."""
ORDER = ("tests/test_architecture.py", "tests/test_setup.py", "tests/test_hashes.py", "tests/test_dockerfile.py",
         "tests/test_deploy.py", "tests/test_licences.py", "tests/test_reference.py", "tests/core", "tests/pages",
         "tests/test_readme.py", "tests/test_extending.py", "tests/test_installed.py")  # fmt: skip
FAST = ("-q", "-m", "not slow", "tests/test_architecture.py", "tests/core")
NO_TESTS = 5
"""What pytest exits with where no test was picked, such as by ``-k``."""
LOCAL = "127.0.0.1,localhost"
MOST = 4
"""Processes: each browser worker has a server and a model of its own. As many as there are cores: one more made the
browser tests of two cores take 450 s instead of 400, and each of them twice as long."""


def parallel(arguments: Sequence[str]) -> list[str]:
    """Arguments that spread files over processes, in order; none where the caller says how (``-n``) or wants to see
    what is printed (``-s``)."""
    if any(a in ("-s", "--capture=no", "--pdb") or a.startswith("-n") for a in arguments):
        return []
    return ["-n", str(min(os.cpu_count() or 1, MOST)), "--dist", "loadfile", "--no-loadscope-reorder"]


def environment(browser: str) -> dict[str, str]:
    """This process's variables, with the browser named and the local server kept away from any proxy.

    One torch thread a process: they share the cores already. Byte code is kept, as it is where nobody says otherwise:
    containers often do, and then every process of the run compiles Heed and each worker all tests.
    """
    env = {"OMP_NUM_THREADS": "1", **os.environ, "HEED_CHROMIUM": browser, "PYTHONUNBUFFERED": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, [LOCAL, os.environ.get(name, "")]))
    return env


def pytest_status(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Runs pytest; returns its exit status."""
    command = [sys.executable, "-m", "pytest", *parallel(arguments), *arguments]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False).returncode


def joined_status(statuses: Sequence[int]) -> int:
    """Returns the exit status of several runs of pytest: the first that failed or was killed (below 0), else 0.

    A run without tests matters only if all are.
    """
    failed = [status for status in statuses if status not in (0, NO_TESTS)]
    return failed[0] if failed else min(statuses)


def main(arguments: list[str]) -> int:
    """Exit status: pytest's, or 1 after one sentence where something needed is missing."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if arguments == ["--fast"]:
        return pytest_status(FAST, environment(""))
    from core.models import DEFAULT_MODEL
    from scripts.browser import NoBrowser, ready

    try:
        browser = ready()
    except NoBrowser as error:
        sys.stderr.write(f"Heed: {error}\n")
        return 1
    if subprocess.run([sys.executable, "-m", "core", "models", "fetch", DEFAULT_MODEL], check=False).returncode:
        return 1
    env = environment(browser)
    if "tests/" in " ".join(arguments):
        return pytest_status(arguments, env)
    return joined_status([pytest_status([*part, *arguments], env) for part in (ORDER, BROWSER)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
