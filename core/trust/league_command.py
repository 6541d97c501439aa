"""``heed league``: measures which methods are right about a model, from a shell.

    heed league MODEL [--prompts 60] [--set own.jsonl] [--engine ray --address auto --workers 4]

It goes on where it was stopped. What measures imports torch, which takes seconds, and every command of ``heed`` imports
this module: so that is done where something is measured. This module prints. Guarded by
tests/core/test_trust_league_command.py.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..cluster.engine_options import add_engine_options, asked_engine
from ..cluster.ray_connection import RayEngine
from ..errors import PromptError
from .measure_sets import part_of_set
from .trust_prompts import TrustPrompt, built_in_prompts, read_own_prompts

if TYPE_CHECKING:
    from .league import League

say = partial(print, flush=True)


def add_league_command(part: argparse.ArgumentParser) -> None:
    """Adds the options of ``heed league`` to its parser."""
    part.add_argument("model", help="catalogue name, hub id, folder or .gguf")
    part.add_argument("--prompts", type=int, metavar="N", help="only the first N of the set")
    about = "a set of your own, .jsonl or .csv, in place of the built-in one"
    part.add_argument("--set", type=Path, metavar="FILE", help=about)
    add_engine_options(part)
    part.add_argument("--workers", type=int, help="most Ray actors at a time")
    part.set_defaults(do=league_command)


def league_command(options: argparse.Namespace) -> int:
    """Measures a model and prints its league; 0, since what cannot be measured raises."""
    if options.prompts is not None and options.prompts < 1:
        raise PromptError("--prompts must be at least 1.")
    engine = asked_engine(options)
    if options.workers and engine is None:
        raise PromptError("--workers is for --engine ray: one process measures here.")
    prompts = part_of_set(_own_prompts(options.set) if options.set else built_in_prompts(), options.prompts)
    say(league_text(measured_league(options.model, prompts, engine)))
    return 0


def measured_league(model: str, prompts: tuple[TrustPrompt, ...], engine: RayEngine | None = None) -> League:
    """Returns the league of ``model``, a name, measured here or on Ray, and prints how far it is."""
    from .measure_league import measure_league, measure_league_by

    if engine is not None:
        from .measure_on_ray import measurer_on_ray

        with measurer_on_ray(model, engine, len(prompts)) as measurer:
            return measure_league_by(measurer, prompts, progress=_tell)
    from ..models import in_bfloat16, load_model

    loaded = load_model(model)
    return measure_league(loaded, prompts, in_bfloat16(loaded), progress=_tell)


def league_text(league: League) -> str:
    """Returns the league as lines: what it shows in a sentence, then every measure by split and kind of prompts."""
    from .verdicts import league_rows, league_sentence, prompt_count

    lines = [league_sentence(league.part())]
    for split in ("choose", "report"):
        for kind in (None, *dict.fromkeys(league.scores.kind)):
            part = league.part(split, kind)
            if not part.prompts:
                continue
            lines += [
                "",
                f"{split}, {kind or 'all kinds'}: {prompt_count(part.prompts)}",
            ]
            for measure in ("hidden", "removed", "evidence"):
                for row in league_rows(part, measure, (*part.methods, "length", "recency", "rarity", "random")):
                    lines.append(
                        f"  {measure:9} {row['label']:31} {row['mean']:6.3f} ({row['low']:.3f} to {row['high']:.3f}) "
                        f"n={row['prompts']} {row['verdict']}"
                    )
    return "\n".join(lines)


def _own_prompts(path: Path) -> tuple[TrustPrompt, ...]:
    try:
        return read_own_prompts(path.read_bytes(), path.name)
    except OSError as error:
        raise PromptError(f"The set {path} cannot be read ({error.strerror}): check its name.") from error


def _tell(fraction: float | None, text: str, stream: str | None = None) -> None:
    say(text)
