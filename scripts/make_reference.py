"""Writes docs/studies.md: the meaning of every column of a study's tables, from the registries in the code.

Run it after adding a metric, a feature, a structure or an instruction: ``.venv/bin/python -m scripts.make_reference``.
tests/test_reference.py fails while the page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/studies.md"

HEAD = """# What stands in a study's tables

Written by `python -m scripts.make_reference` from the code. Undefined is empty (NaN), never 0; the column `why` of the
runs table says why a metric is undefined.

## runs: one row an answer

| column | meaning |
|---|---|
| `cell` | id of the row: a hash of what was asked |
| `run` | id of the run: opens in Explore, and is computed again where it is not stored |
| `prompt_id` | the item; the cluster of every statistic |
| `task`, `structure`, `model`, `seed` | what varied; `factor:NAME` are the item's own factors |
| `control` | true: a neutral filler of as many tokens stands where the instruction stood (position control) |
| `prompt_tokens`, `output_tokens` | tokens as this model counts them |
| `finish`, `truncated` | how the answer ended; truncated: by the token limit, which leaves length and end undefined |
| `answer`, `error`, `why` | the text; why there is none; {metric: why it is undefined} as JSON |
| `own:NAME` | 1 where the answer passes the study's own check, 0 where not ([how](extending.md#without-code)) |
| `judge:NAME@MODEL`, `judge5:NAME@MODEL` | a judge's probability of yes, or score from 1 to 5; a proxy |
| `passed:NAME`, `score:NAME` | what a scorer of an inspect_ai log gave a given answer: 0 or 1, or a number |

## instructions: one row an answer and instruction

`number`, `id`, `kwargs`; `message`, `start`, `end` of the words that ask for it (empty: not found); its attention
`share` and `multiple` of uniform; `masked` and `removed`, the nats an answer token loses without it; `strict`, `loose`.
"""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows])


def page() -> str:
    """The text of docs/studies.md."""
    from core.importance import default_study_methods
    from core.study.features import FEATURES, column_name
    from core.study.prompt_structures import STRUCTURES
    from core.study.quality.instructions import INSTRUCTIONS
    from core.study.quality.metrics import METRICS

    metrics = [(f"`{n}`", m.kind, m.unit, m.better, m.about) for n, m in METRICS.items()]
    features = [(f"`{n}`", f.kind, f.unit, f.range, f.definition, f.source) for n, f in FEATURES.items()]
    structures = [(f"`{n}`", s.label, s.about) for n, s in STRUCTURES.items()]
    checks = [(f"`{n}`", c.label, c.needs or "nothing") for n, c in INSTRUCTIONS.items()]
    parts = [
        HEAD,
        "## Metrics of quality\n\nOutcomes say whether an answer is good, proxies may go with that, descriptors only "
        "describe it.\n",
        table(("column", "kind", "unit", "better", "meaning"), metrics),
        "\n## Features of importance\n\nMeans over the steps of the answer itself. A feature that is "
        "read from attention rows has a column for each method of the plan: the first by its own name, others with the "
        f"method behind it, as in `{column_name('sink', default_study_methods()[-1])}`.\n",
        table(("column", "kind", "unit", "range", "definition", "source"), features),
        "\n## Structures\n",
        table(("name", "label", "layout"), structures),
        "\n## Instructions that can be verified\n\nOn an answer that the token limit cut off, a verdict that could "
        "still change is undefined.\n",
        table(("id", "label", "what a cut-off answer leaves open"), checks),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} written\n")
