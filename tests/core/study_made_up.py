"""A made-up study with all columns of the real tables and known effects, for tests of statistics, pages and report.

What is planted (everything else is noise):

    between prompts     ``lookback`` goes with ``quality`` (rank correlation about ``between``), ``sink`` against it
    within a prompt     ``masked_instruction`` goes with ``quality`` when a prompt is asked in another way (``within``)
    structures          each later structure adds ``step`` to ``quality`` and 0.08 to ``share_instruction``; in the
                        position control the share is added too, the quality is not
    models              the second model is better by 0.3
    nothing             ``share_instruction``, ``entropy``, ``gini`` and ``removed_instruction`` go with no metric
    linked              ``output_tokens``, ``words``, ``characters``, ``tokens`` measure the same
    heads               feature 0 of head 0 in layer 0 goes with ``quality``, in every task; all others are noise

``quality`` is hidden: outcomes are made of it. ``runs_table(...)``: 40 prompts a task, two structures with their
controls, two models. ``heads_array(table)`` and ``instructions_table(table)`` belong to a table by its rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pandas as pd

TASKS = ("fact", "context_qa", "constrained")
STRUCTURES = ("instruction_first", "instruction_last")
MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct")
PARTS = ("instruction", "context", "question", "example", "check", "system", "template", "output")
CAUSAL = ("instruction", "context", "question", "example", "check")
WHOLE = ("sink", "lookback", "entropy", "effective_tokens", "gini", "top_5", "drift", "content_share")
ATTENTION = tuple(f"{kind}_{part}" for kind in ("share", "multiple") for part in PARTS) + WHOLE
FEATURES = (
    *ATTENTION,
    *(f"{name}@last-layer" for name in ATTENTION if name != "lookback"),
    *(f"{kind}_{part}" for kind in ("masked", "removed", "masked_total", "removed_total") for part in CAUSAL),
)
METRICS = (
    "correct", "followed", "instructions_strict", "instructions_loose", "exact_match", "contains", "token_f1", "chrf",
    "bleu", "rouge_l", "rating", "relevance_rank", "relevance_cosine", "copy_share", "mean_logprob", "perplexity",
    "words", "characters", "sentences", "tokens", "distinct_1", "distinct_2", "loop_share", "zlib_ratio",
    "mean_entropy",
)  # fmt: skip
HAS = {
    "fact": ("instruction", "question"),
    "context_qa": ("instruction", "context", "question"),
    "constrained": ("instruction",),
}
"""The segments of each task; others are undefined."""
REFERENCE = ("fact", "context_qa")
LAYERS, HEADS, KINDS = 3, 4, 2


def runs_table(
    prompts: int = 40,
    *,
    tasks: Sequence[str] = TASKS,
    structures: Sequence[str] = STRUCTURES,
    models: Sequence[str] = MODELS,
    seeds: int = 1,
    control: bool = True,
    between: float = 0.5,
    within: float = 0.5,
    step: float = 0.6,
    truncated: float = 0.08,
    failed: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """A runs table with ``prompts`` for each task x structures (and their controls) x models x seeds.

    ``truncated`` is the share of runs that the token limit stopped; ``failed`` rows have an error and no answer.
    ``between`` = ``within`` = ``step`` = 0 makes a study in which nothing goes with anything.
    """
    rng = np.random.default_rng(seed)
    rows = [
        {"prompt": i, "prompt_id": f"{task}-{i:03d}", "task": task, "structure": s, "control": c, "model": m, "seed": k}
        for task in tasks
        for i in range(prompts)
        for s in structures
        for c in ((False, True) if control else (False,))
        for m in models
        for k in range(seeds)
    ]
    table = pd.DataFrame(rows)
    n = len(table)
    of_prompt = table.groupby("prompt_id", sort=False).ngroup().to_numpy()
    level = table["structure"].map({s: i for i, s in enumerate(structures)}).to_numpy(float)
    better = (~table["control"].to_numpy()) * step * level + 0.3 * (table["model"] != models[0]).to_numpy()
    own, change = rng.normal(size=of_prompt.max() + 1)[of_prompt], rng.normal(size=n)
    quality = own + 0.6 * change + better
    values = _features(table, rng, own, change, level, between, within) | _metrics(table, rng, quality, change)
    stop = rng.random(n) < truncated
    head = _head(table, rng, stop, values["tokens"])
    out = pd.DataFrame(head | {name: values[name] for name in (*METRICS, *FEATURES)})
    for name in ("words", "characters", "tokens", "sentences", "exact_match", "followed"):
        out.loc[stop, name] = np.nan
    lost = rng.choice(n, failed, replace=False)
    out.loc[lost, [*METRICS, *FEATURES]] = np.nan
    out.loc[lost, ["answer", "error", "finish"]] = ["", "The model gave no answer.", ""]
    out.loc[:, "why"] = [_why(bool(s), t in REFERENCE) for s, t in zip(stop, out["task"], strict=True)]
    return out


def small(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with few metrics and features, for tests that would take long."""
    kept = ("followed", "correct", "words", "mean_logprob", "share_instruction", "lookback", "masked_instruction")
    return table.drop(columns=[c for c in (*METRICS, *FEATURES) if c not in kept])


def heads_array(table: pd.DataFrame, effect: float = 1.0, seed: int = 0) -> np.ndarray:
    """float32 [run, LAYERS * HEADS * KINDS] per-head features; column 0 goes with quality by ``effect``."""
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(len(table), LAYERS * HEADS * KINDS)).astype(np.float32)
    quality = table["mean_logprob"].fillna(table["mean_logprob"].mean()).to_numpy()
    out[:, 0] += effect * (quality - quality.mean()) / (quality.std() or 1)
    return out


def instructions_table(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """One row for each run and instruction: one for each run, two for constrained writing; some spans are not found."""
    rng = np.random.default_rng(seed)
    rows = []
    for run in table.itertuples(index=False):
        ids = ["heed:words", "punctuation:no_comma"] if run.task == "constrained" else ["heed:one_of"]
        for number, name in enumerate(ids, 1):
            found = rng.random() > 0.1
            share = rng.beta(3, 20) if found else np.nan
            strict = float(rng.random() < 0.55) if not run.truncated and not run.error else np.nan
            rows.append(
                {c: getattr(run, c) for c in ("cell", "run", "prompt_id", "task", "structure", "control", "model")}
                | {"number": number, "id": name, "kwargs": json.dumps({})}
                | {"message": 0.0 if found else np.nan, "start": 0.0 if found else np.nan}
                | {"end": 24.0 if found else np.nan, "share": share, "multiple": share * 12}
                | {"masked": rng.normal(0.2, 0.2), "removed": rng.normal(0.15, 0.2)}
                | {"strict": strict, "loose": max(strict, float(rng.random() < 0.1)) if strict == strict else np.nan}
                | {"why": "cut off by the token limit" if run.truncated else ""}
            )
    return pd.DataFrame(rows)


def _head(table: pd.DataFrame, rng: np.random.Generator, stop: np.ndarray, tokens: np.ndarray) -> dict[str, object]:
    n = len(table)
    lengths = rng.integers(30, 90, n)
    own = [f"{c.prompt_id}|{c.structure}|{c.control}|{c.model}|{c.seed}" for c in table.itertuples()]
    return {
        "cell": [f"{i:016x}" for i in range(n)],
        "run": [sha256(name.encode()).hexdigest() for name in own],
        **{name: table[name] for name in ("prompt_id", "task", "structure", "control", "model", "seed")},
        "factor:topic": np.where(table["prompt"] % 2 == 0, "nature", "city"),
        "prompt_tokens": lengths,
        "output_tokens": np.where(stop, 64, np.clip(tokens, 1, 63)).astype(int),
        "finish": np.where(stop, "length", "end"),
        "truncated": stop,
        "answer": [f"A made-up answer to {p}." for p in table["prompt_id"]],
        "error": "",
        "why": "",
    }


def _why(stopped: bool, referenced: bool) -> str:
    found = {} if referenced else dict.fromkeys(("correct", "exact_match", "contains"), "there is no reference")
    if stopped:
        found |= dict.fromkeys(("words", "exact_match", "followed"), "the answer was cut off by the token limit")
    return json.dumps(found)


def _features(
    table: pd.DataFrame,
    rng: np.random.Generator,
    own: np.ndarray,
    change: np.ndarray,
    level: np.ndarray,
    between: float,
    within: float,
) -> dict[str, np.ndarray]:
    n = len(table)
    shots = table["structure"].str.startswith("few_shot").to_numpy()
    noise = {name: rng.normal(size=n) for name in FEATURES}
    out = {}
    for name in FEATURES:
        base, _, _ = name.partition("@")
        kind, _, part = base.replace("_total", "").partition("_")
        x = noise[name]
        if base == "lookback":
            x = between * own + np.sqrt(1 - between**2) * x
        elif base == "sink":
            x = -between * own + np.sqrt(1 - between**2) * x
        elif base in ("masked_instruction", "masked_check"):
            x = within * change + np.sqrt(1 - within**2) * x
        scale, middle = (0.2, 0.2) if kind in ("masked", "removed") else (0.03, 0.15)
        value = middle + scale * x + (0.08 * level if base == "share_instruction" else 0)
        value = value * (20 if "_total" in base else 1) * (8 if kind == "multiple" else 1)
        if base in ("entropy", "effective_tokens"):
            value = value * 15
        out[name] = np.where(_there(table, part, shots), value, np.nan) if part in PARTS else value
    return out


def _there(table: pd.DataFrame, part: str, shots: np.ndarray) -> np.ndarray:
    """bool [run]: the prompt has such a segment."""
    if part in ("system", "template", "output"):
        return np.ones(len(table), bool)
    if part == "example":
        return shots
    have = table["task"].map(lambda t: (*HAS.get(t, ("instruction", "question")), "check"))
    return np.array([part in h for h in have])


def _metrics(
    table: pd.DataFrame, rng: np.random.Generator, quality: np.ndarray, change: np.ndarray
) -> dict[str, np.ndarray]:
    n = len(table)
    asked = table["task"].isin(REFERENCE).to_numpy()
    correct = np.where(asked, (quality + 0.5 * rng.normal(size=n) > 0.4).astype(float), np.nan)
    followed = (quality + 0.5 * rng.normal(size=n) > 0.2).astype(float)
    tokens = np.clip(np.round(np.exp(2.5 + 0.6 * rng.normal(size=n))), 1, 63)
    logprob = -np.exp(-0.6 - 0.3 * quality - 0.1 * change + 0.2 * rng.normal(size=n))
    graded = {
        name: np.where(asked, np.clip(100 * _squash(quality + 0.8 * rng.normal(size=n)), 0, 100), np.nan)
        for name in ("chrf", "bleu", "rouge_l", "token_f1")
    }
    for name in ("rouge_l", "token_f1"):
        graded[name] = graded[name] / 100
    words = np.maximum(1, np.round(0.8 * tokens))
    return {
        "correct": correct,
        "followed": followed,
        "instructions_strict": followed,
        "instructions_loose": np.maximum(followed, rng.random(n) < 0.1),
        "exact_match": np.where(asked, np.minimum(correct, rng.random(n) < 0.5), np.nan),
        "contains": correct,
        **graded,
        "rating": np.full(n, np.nan),
        "relevance_rank": 1 / rng.integers(1, 6, n),
        "relevance_cosine": np.clip(0.4 + 0.1 * quality + 0.1 * rng.normal(size=n), -1, 1),
        "copy_share": rng.beta(2, 6, n),
        "mean_logprob": logprob,
        "perplexity": np.exp(-logprob),
        "words": words,
        "characters": np.round(5.2 * words),
        "sentences": np.maximum(1, np.round(words / 9)),
        "tokens": tokens,
        **{name: rng.beta(8, 2, n) for name in ("distinct_1", "distinct_2")},
        "loop_share": rng.beta(1, 9, n),
        "zlib_ratio": rng.beta(6, 4, n),
        "mean_entropy": np.exp(0.3 * rng.normal(size=n)),
    }


def _squash(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
