"""Runs one of the two studies that come with Heed anew, hours on two cores.

python -m scripts.make_example_study [--steering] [--lengthen 256] [--read-again] [--workers 2]

Runs docs/example-study/plan.json (with --steering docs/steering-study/plan.json, without the features of single heads),
lets answers that were cut off go on or reads finished ones again for the features
that they lack where asked (by learned heads too), and writes tables, the features of
every head, findings and report into docs/example-study. A second call goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from core.importance import default_study_methods
from core.study.findings.bundle import bundle_study
from core.study.findings.source import EXAMPLE, STEERING_EXAMPLE
from core.study.study import Study

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main(arguments: Sequence[str]) -> int:
    """Runs what is not done yet and writes the folder; 0 if nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.make_example_study", description="The example study anew.")
    parser.add_argument("--steering", action="store_true", help="the study of parts that are read more or less")
    parser.add_argument("--workers", type=int, help="processes; by default one a model")
    parser.add_argument("--lengthen", type=int, metavar="TOKENS", help="let cut-off answers go on to so many tokens")
    parser.add_argument("--read-again", action="store_true", help="finished answers once more, for features they lack")
    asked = parser.parse_args(arguments)

    def say(fraction: float | None, text: str, stream: str | None = None) -> None:
        sys.stdout.write(f"{text}\n")

    folder = DOCS / ("steering-study" if asked.steering else "example-study")
    with closing(Study(folder / "plan.json")) as study:
        status = study.run(asked.workers, say)
        if any(tokens < (asked.lengthen or 0) for tokens in study.cut_off().values()):
            study.lengthen(asked.lengthen)
            status = study.run(asked.workers, say)
        if asked.read_again:
            study.extend(methods=(*default_study_methods(), "learned-heads"))
            study.read_again()
            status = study.run(asked.workers, say)
        ident = STEERING_EXAMPLE if asked.steering else EXAMPLE
        bundle_study(folder, study.id, ident=ident, heads=not asked.steering, slow=not asked.steering)
    return 1 if status.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
