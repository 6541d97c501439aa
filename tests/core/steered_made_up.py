"""Made-up runs of a steered study with known effects, for tests of dose-response statistics, findings, page and report.

What is planted: each doubling of the factor on ``instruction`` adds ``step`` to the chance of following, in the plain
length of answers; on ``question`` nothing. ``shorter``: what each doubling on the instruction takes from ln(words).
``artefact``: following means nothing but having fewer than ``LIMIT`` words. Realised shares rise with the factor.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

FACTORS = (0.25, 2.0, 4.0, 8.0)
PARTS = ("instruction", "question")
RIVALS = ("instruction_twice", "instruction_capitals")
LIMIT = 45
MODEL = "smollm2-135m-instruct"


def steered_table(
    prompts: int = 60,
    *,
    tasks: tuple[str, ...] = ("constrained", "fact"),
    models: tuple[str, ...] = (MODEL,),
    parts: tuple[str, ...] = PARTS,
    factors: tuple[float, ...] = FACTORS,
    rivals: tuple[str, ...] = RIVALS,
    step: float = 0.12,
    shorter: float = 0.0,
    artefact: bool = False,
    truncated: float = 0.0,
    seed: int = 0,
) -> pd.DataFrame:
    """A runs table, ``prompts`` for each task: plain runs in two structures, rivals, and each part x factor."""
    rng = np.random.default_rng(seed)
    rows = []
    cells = [("", 1.0, s) for s in ("instruction_first", "instruction_last", *rivals)]
    cells += [(part, factor, "instruction_first") for part in parts for factor in factors]
    for task in tasks:
        for model in models:
            for number in range(prompts):
                chance, length = rng.uniform(0.2, 0.5), rng.normal(np.log(60), 0.4)
                for part, factor, structure in cells:
                    up = np.log2(max(factor, 0.125)) if part == "instruction" else 0.0
                    words = max(1, round(float(np.exp(length - shorter * up + 0.15 * rng.normal()))))
                    good = words < LIMIT if artefact else rng.random() < chance + step * up
                    share = 0.1 * factor / (0.9 + 0.1 * factor) if part == "instruction" else 0.1
                    rows.append(
                        {"prompt_id": f"{task}-{number:03d}", "task": task, "structure": structure, "control": False}
                        | {"model": model, "seed": 0, "truncated": rng.random() < truncated, "answer": "An answer."}
                        | {"error": "", "finish": "stop", "why": "", "run": "", "prompt_tokens": 40.0}
                        | {"steered": part, "factor": factor, "followed": float(good), "words": float(words)}
                        | {"plain_logprob": -1.0 - 0.2 * abs(up) + 0.1 * rng.normal(), "loop_share": 0.05}
                        | {
                            "share_instruction": share * np.exp(0.1 * rng.normal()),
                            "correct": float(rng.random() < 0.5),
                        }
                        | {"share_question": 0.2 * np.exp(0.1 * rng.normal()), "output_tokens": words * 1.3}
                    )
    table = pd.DataFrame(rows)
    table.insert(0, "cell", [f"cell-{i:05d}" for i in range(len(table))])
    return table


def steered_instructions(runs: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Two instructions a run: "no commas", which any short answer follows, and "at least 20 words", which none does."""
    rng = np.random.default_rng(seed)
    keep = ["cell", "run", "prompt_id", "task", "structure", "control", "model", "steered", "factor"]
    keep = [c for c in keep if c in runs]
    kinds = (("punctuation:no_comma", "{}"), ("length_constraints:number_words", NUMBER))
    made = []
    for number, (kind, kwargs) in enumerate(kinds, 1):
        strict = runs["followed"] if number == 1 else pd.Series(rng.random(len(runs)) < 0.5, runs.index)
        made.append(runs[keep].assign(number=number, id=kind, kwargs=kwargs, strict=strict.astype(float)))
    return pd.concat(made, ignore_index=True).assign(loose=lambda t: t["strict"], why="")


NUMBER = '{"relation": "at least", "num_words": 20}'
