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

from core.models import in_bfloat16, load_model
from core.trust.league import League
from core.trust.league_files import SHIPPED_LEAGUES, league_folder, save_league
from core.trust.measure_league import league_of, measure_league
from core.trust.measurement import read_measurement
from core.trust.trust_prompts import built_in_prompts
from core.trust.verdicts import league_rows, league_sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes the league, and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--kept", action="store_true", help="only what is measured already")
    asked = parser.parse_args(arguments)
    model = load_model(asked.model)
    league = _kept(model) if asked.kept else measure_league(model, scorer=in_bfloat16(model), progress=_say)
    save_league(league, SHIPPED_LEAGUES / model.key.fingerprint[:16])
    _print(league)
    return 0


def _kept(model: Any) -> League:
    folder: Path = league_folder(model.key.fingerprint)
    paths = [folder / f"{prompt.id}.npz" for prompt in built_in_prompts()]
    return league_of(model, [read_measurement(path) for path in paths if path.exists()], "bfloat16")


def _say(fraction: float | None, text: str, stream: str | None = None) -> None:
    sys.stdout.write(text + "\n")


def _print(league: League) -> None:
    out = sys.stdout.write
    out(league_sentence(league.part()) + "\n")
    for split in ("choose", "report"):
        for kind in (None, "needle", "two-hop", "instruction", "summary", "article"):
            part = league.part(split, kind)
            out(f"\n{split}, {kind or 'all kinds'}: {part.prompts} prompts\n")
            for measure in ("hidden", "removed", "evidence") if part.prompts else ():
                for row in league_rows(part, measure, (*part.methods, "length", "recency", "rarity", "random")):
                    out(
                        f"  {measure:9} {row['label']:24} {row['mean']:6.3f} ({row['low']:.3f} to {row['high']:.3f}) "
                        f"n={row['prompts']} {row['verdict']}\n"
                    )


if __name__ == "__main__":
    raise SystemExit(main())
