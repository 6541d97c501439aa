"""Runs the real models to make the example runs that come with Heed: python -m scripts.make_examples

Writes examples/*.json: whole runs in Heed's own export format, with the model's fingerprint, the settings and the
library versions inside; run it again when one of these changes. The first two are for Explore, the next two for
Compare: the same prompt on two models, with one system message so that both read the same words.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from core import load_model, run
from core.models import DEFAULT_MODEL
from core.store import run_to_json

FOLDER = Path(__file__).resolve().parent.parent / "examples"
SKY = "Answer in one word: What color is the sky?"
FAIR = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": SKY}]
SECOND = "qwen2.5-coder-0.5b-instruct"
EXAMPLES = {
    "1-sky": (DEFAULT_MODEL, SKY),
    "2-love": (DEFAULT_MODEL, "Write a six-word story about love"),
    "3-sky-a": (DEFAULT_MODEL, FAIR),
    "4-sky-b": (SECOND, FAIR),
}


def main(names: Sequence[str]) -> None:
    """Makes the examples called ``names``, or all of them."""
    for name in names or EXAMPLES:
        model, prompt = EXAMPLES[name]
        trace = run(load_model(model), prompt, cache=False)
        path = FOLDER / f"{name}.json"
        path.write_bytes(run_to_json(trace))
        sys.stdout.write(f"{path.name}: {trace.answer!r}, {path.stat().st_size:,} bytes, run {trace.id[:8]}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
