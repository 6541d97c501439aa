#!/bin/sh
# Puts the CPU build of torch into .venv before anything else asks for torch: on Linux, plain pip would bring
# the CUDA build (gigabytes). It satisfies the same pin, so `make run` afterwards leaves it alone.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] || sh scripts/setup.sh
exec .venv/bin/python -m pip install --disable-pip-version-check --no-deps \
    "$(grep "^torch==" requirements.txt)" \
    --index-url https://download.pytorch.org/whl/cpu
