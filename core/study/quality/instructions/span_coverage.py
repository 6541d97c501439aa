"""Measures for how many prompts the words that ask for an instruction are found (a command).

``python -m core.study.quality.instructions.span_coverage FILE``: FILE is a JSONL file in the form of IFEval's (prompt,
instruction_id_list, kwargs). One row per kind of instruction, the last row is all together. With ``--show ID`` every
span found is printed, to be read by a person. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .request_spans import find_spans

ALL_KINDS = "all"


def span_coverage_table(items: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Returns DataFrame[id, prompts, found, share]: instructions requested, those with a span, and their share.

    ``items``: rows of IFEval's file. Raises PromptError for an unknown id or wrong kwargs.
    """
    rows = [
        (id, bool(find_spans(item["prompt"], id, kwargs or {})))
        for item in items
        for id, kwargs in zip(item["instruction_id_list"], item["kwargs"], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["id", "found"])
    by_id = table.groupby("id", sort=True)["found"].agg(prompts="size", found="sum").reset_index()
    whole = pd.DataFrame([{"id": ALL_KINDS, "prompts": len(table), "found": int(table["found"].sum())}])
    out = pd.concat([by_id, whole], ignore_index=True)
    return out.assign(share=out["found"] / out["prompts"].where(out["prompts"] > 0))


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="How often the words that ask for an instruction are found.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--show", metavar="ID", help="print every span of this kind of instruction")
    given = parser.parse_args()
    items = read_prompts(given.file)
    if given.show:
        for item in items:
            for id, kwargs in zip(item["instruction_id_list"], item["kwargs"], strict=True):
                if id == given.show:
                    spans = find_spans(item["prompt"], id, kwargs)
                    print(item.get("key", ""), [item["prompt"][a:b] for a, b in spans])
    else:
        print(span_coverage_table(items).to_string(index=False, formatters={"share": "{:.1%}".format}))


if __name__ == "__main__":
    main()
