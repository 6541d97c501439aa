"""Prints how high methods rank the words that decide between a right and a wrong word (core/trust/contrast_pairs.py).

python -m scripts.contrast_table MODEL [--pairs FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.importance import METHODS
from core.models import load_model
from core.trust.contrast_pairs import contrast_table, read_pairs
from core.trust.league_files import head_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all pairs and prints the table as Markdown, best method first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--pairs", type=Path, help="JSON lines with subset, prefix, target, foil, evidence")
    asked = parser.parse_args(arguments)
    model = load_model(asked.model)
    table = contrast_table(model, read_pairs(asked.pairs), head_weights(model.key.fingerprint)).T
    names = [name for name in table.index if name not in ("right", "pairs")]
    order = sorted(names, key=lambda name: -table.loc[name, "all"])
    agreement = [name for name in table.columns if name.endswith("agreement_1") and "subject" in name]
    agreement.append("distractor_agreement_relational_noun")
    out = sys.stdout.write
    out(f"{model.ref.caption}: {int(table.loc['pairs', 'all'])} pairs, right in {table.loc['right', 'all']:.0%}\n\n")
    out("| method | all | subject-verb agreement |\n|---|---|---|\n")
    for name in order:
        label = METHODS[name].label if name in METHODS else name
        shown = [subset for subset in agreement if subset in table.columns]
        out(f"| {label} | {table.loc[name, 'all']:.3f} | {table.loc[name, shown].mean():.3f} |\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
