#!/bin/sh
# Prints a Python that can run Heed (3.11 to 3.14, with venv), or one sentence on what to do and exit 1.
# HEED_PYTHON names one to be taken instead of searching. Plain sh: nothing is installed yet when it runs.
# A name on PATH proves nothing (a version manager leaves stubs there), so each candidate is run.

LOW=11
HIGH=14

minor() { # "11" for Python 3.11, nothing where the candidate does not run
    "$1" -c 'import sys; print(sys.version_info[1] if sys.version_info[0] == 3 else 0)' </dev/null 2>/dev/null
}

if [ -n "${HEED_PYTHON:-}" ]; then
    set -- "$HEED_PYTHON"
else
    set -- python3 python3.14 python3.13 python3.12 python3.11 python
fi

seen=""
bare=""
for candidate in "$@"; do
    found=$(minor "$candidate") || continue
    [ -n "$found" ] || continue
    if [ "$found" -lt "$LOW" ] || [ "$found" -gt "$HIGH" ]; then
        version=$("$candidate" -c 'import platform; print(platform.python_version())' </dev/null)
        seen="${seen:+$seen, }$version ($candidate)"
    elif "$candidate" -c 'import ensurepip, venv' </dev/null >/dev/null 2>&1; then
        "$candidate" -c 'import sys; print(sys.executable)' </dev/null
        exit 0
    else
        bare="${bare:-$candidate}"
    fi
done

if [ -n "$bare" ]; then
    version=$("$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null)
    echo "Heed: $bare (Python $version) cannot make a virtual environment: install its venv module first (Debian, Ubuntu: apt install python3-venv or python$version-venv)." >&2
else
    echo "Heed: Python 3.$LOW to 3.$HIGH is needed, and here is ${seen:-no Python at all}: install one from python.org or your package manager, or set HEED_PYTHON to its path." >&2
fi
exit 1
