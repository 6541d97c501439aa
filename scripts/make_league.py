"""Measures a model on the built-in prompts, learns weights of heads, and ships the league with Heed.

    python -m scripts.make_league MODEL [--kept]     (make calibrate-heads MODEL=...)

Hours for a model of 0.5 B parameters on two cores. It goes on where it was stopped; ``--kept`` measures nothing more
and makes the league of the prompts that are kept (HEED_HOME/trust/...).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.models import load_model
from core.trust.league import League
from core.trust.league_command import league_text, measured_league
from core.trust.league_files import SHIPPED_LEAGUES, league_folder, save_league
from core.trust.measure_league import league_of
from core.trust.measurement import read_measurement
from core.trust.trust_prompts import built_in_prompts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes the league, and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--kept", action="store_true", help="only what is measured already")
    asked = parser.parse_args(arguments)
    league = _kept(load_model(asked.model)) if asked.kept else measured_league(asked.model, built_in_prompts())
    save_league(league, SHIPPED_LEAGUES / league.fingerprint[:16])
    sys.stdout.write(league_text(league) + "\n")
    return 0


def _kept(model: Any) -> League:
    folder: Path = league_folder(model.key.fingerprint)
    paths = [folder / f"{prompt.id}.npz" for prompt in built_in_prompts()]
    return league_of([read_measurement(path) for path in paths if path.exists()], model.ref.caption, "bfloat16")


if __name__ == "__main__":
    raise SystemExit(main())
