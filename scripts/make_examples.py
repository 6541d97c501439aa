"""Makes the two examples of the first visit from the real default model: python -m scripts.make_examples

Writes examples/1-sky.json and examples/2-love.json: whole runs in Heed's own export format, with the model's
fingerprint, the settings and the library versions inside. Run it again when one of these changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core import load_model, run
from core.models import DEFAULT
from core.store import to_json

FOLDER = Path(__file__).resolve().parent.parent / "examples"
EXAMPLES = {
    "1-sky": "Answer in one word: What color is the sky?",
    "2-love": "Write a six-word story about love",
}


def main() -> None:
    model = load_model(DEFAULT)
    for name, prompt in EXAMPLES.items():
        trace = run(model, prompt)
        path = FOLDER / f"{name}.json"
        path.write_bytes(to_json(trace))
        sys.stdout.write(f"{path.name}: {trace.answer!r}, {path.stat().st_size:,} bytes, run {trace.id[:8]}\n")


if __name__ == "__main__":
    main()
