#!/bin/sh
# Makes .venv and installs what a requirements file pins, again only when a pin or the interpreter changed.
#     sh scripts/setup.sh requirements.txt [requirements-dev.txt ...]
# HASHES=1: requirements.txt is installed from requirements/, each file checked against its hash; HASHES=cpu: with the
# small CPU build of torch on Linux. Not the default, since another index than PyPI may hold wheels that it built itself.
# The stamp beside the libraries is a copy of what was installed, so neither a fresh checkout (new times) nor
# an interrupted installation (no stamp) can fool it.
set -eu

cd "$(dirname "$0")/.."
venv=.venv

wanted() {
    "$venv/bin/python" -c 'import sys; print(sys.version)'
    cat constraints.txt "$1"
}

if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    python=$(sh scripts/python.sh)
    echo "Heed: making $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
        echo "Heed: $python could not make $venv in $(pwd): see the message above; free some disk space or install python3-venv." >&2
        exit 1
    }
elif ! "$venv/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
    echo "Heed: $venv holds $("$venv/bin/python" --version), and Python 3.11 to 3.14 is needed: delete $venv and start again." >&2
    exit 1
fi

install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@"
}

hashed() {
    torch="-r requirements/torch.txt"
    [ "$HASHES" != cpu ] || torch="--extra-index-url https://download.pytorch.org/whl/cpu -r requirements/torch-cpu.txt"
    install --no-deps --require-hashes -r requirements/build.txt &&
        install --no-deps --require-hashes $torch &&
        install --no-deps --require-hashes --no-build-isolation -r requirements/hashed.txt
}

pinned() {
    if [ -n "${HASHES:-}" ] && [ "$1" = requirements.txt ]; then hashed; else install -r "$1"; fi
}

for file in "$@"; do
    stamp="$venv/installed-$file"
    if [ "$(wanted "$file")" != "$(cat "$stamp" 2>/dev/null)" ]; then
        echo "Heed: installing $file (once; the first time takes some minutes)"
        rm -f "$stamp"
        pinned "$file" || {
            echo "Heed: $file could not be installed: see pip's message above, then run the same command again." >&2
            exit 1
        }
        wanted "$file" >"$stamp"
    fi
done
