"""Makes the example of an induction head that forms, from checkpoints: python -m scripts.make_example_checkpoints

    python -m scripts.make_example_checkpoints [--checkpoints FOLDER] [--folder FOLDER]

Without a folder of checkpoints it trains them first (two minutes, scripts/train_induction_model.py). Every checkpoint
reads one sentence with a repeat, and its maps go into core/maps/data/. Guarded by
tests/core/test_maps_example_checkpoints.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.capture.checkpoint_maps import read_checkpoints
from core.maps.example_checkpoints import EXAMPLE_CHECKPOINTS, write_example_checkpoints
from scripts import train_induction_model

REPEATED = "my old friend found a small key under the bridge"
TEXT = f"{REPEATED}. they were glad when {REPEATED}."
NOTES = (
    "A model of two layers with four heads each, trained for this example on random words in which a stretch comes "
    "again (scripts/train_induction_model.py).",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains if there is nothing to read, reads the sentence with every checkpoint, and writes the maps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--folder", type=Path, default=EXAMPLE_CHECKPOINTS)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        if asked.checkpoints is None:
            train_induction_model.main(["--folder", made])
        found = read_checkpoints(asked.checkpoints or made, TEXT)
    named = [(_name(folder), replace(maps, source=f"induction example · {maps.source}")) for folder, maps in found]
    write_example_checkpoints(named, asked.folder, NOTES)
    sys.stdout.write(f"{len(named)} checkpoints, {sum(f.stat().st_size for f in asked.folder.iterdir()):,} bytes\n")
    return 0


def _name(folder: str) -> str:
    """Returns ``step 400`` of ``step-00400``."""
    kind, _, number = folder.partition("-")
    return f"{kind} {int(number)}"


if __name__ == "__main__":
    raise SystemExit(main())
