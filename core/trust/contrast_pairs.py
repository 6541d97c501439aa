"""Why this word rather than that one: how high methods rank the words that decide, on pairs with the evidence marked.

A pair is the beginning of a sentence, the word that goes on rightly, a word that does not, and the evidence: the words
of the beginning that make the first right ("This goose" -> is / are, evidence "goose"). The patterns are those of
eleven subsets of BLiMP (Warstadt et al. 2020) on which Yin & Neubig (2022) and Ferrando et al. (2023) report; the
sentences in data/minimal_pairs.json were written for this project. The measure is theirs: the mean of 1 / (rank of the
evidence among the words of the beginning), for the log-odds of the right word over the wrong one where a method can be
asked for them.

Needs a model. Guarded by tests/core/test_trust_contrast_pairs.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..capture import capture
from ..capture.build_request import make_request
from ..errors import MethodError, PromptError
from ..importance import METHODS, explain, offered_methods, own_units
from ..probe import attribute, knock_out
from ..progress import Progress, no_progress
from ..records import ATTRIBUTIONS, HeadWeights
from .trust_prompts import DATA, units_holding

FIELDS = ("subset", "prefix", "target", "foil", "evidence")
BLIMP = ("UID", "one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad")
BLIMP_EVIDENCE = {
    r"determiner_noun_agreement_.*1": r"\b([Tt]h(?:is|at|ese|ose))\b",
    r"distractor_agreement_relational_noun": r"(\S+) (?:of|about)\b",
    r"distractor_agreement_relative_clause": r"(\S+) (?:who|that|which)\b",
    r"(?:ir)?regular_plural_subject_verb_agreement_1": r"(\S+)$",
}
"""{subset: what decides}: the demonstrative, the noun before "of" or before a relative clause, the last word."""
CONTRASTED = ("leave-one-out", "input-x-gradient", "integrated-gradients", "attention-x-gradient")
"""Methods that are asked for the log-odds; the others read the step that wrote the right word."""


@dataclass(frozen=True)
class ContrastPair:
    """One beginning and the two words."""

    subset: str
    prefix: str
    target: str
    foil: str
    evidence: str

    def __post_init__(self) -> None:
        if self.evidence not in self.prefix or not self.evidence or self.target == self.foil:
            raise PromptError(
                f"“{self.prefix}”: the evidence must stand in the beginning, and the two words must differ."
            )


def read_pairs(path: Path | None = None) -> list[ContrastPair]:
    """Reads pairs from JSON (a list) or JSON lines with FIELDS; None: those that ship. Raises PromptError.

    The published files of BLiMP have no evidence: it is found by a rule for subsets on agreement (BLIMP_EVIDENCE), and
    rows in which the rule finds none are left out; for other subsets add a field ``evidence``.
    """
    text = (path or DATA / "minimal_pairs.json").read_text(encoding="utf-8")
    try:
        rows = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(t) for t in text.splitlines() if t.strip()]
        )
        rows = [_of_blimp(row) if BLIMP[1] in row else row for row in rows]
        return [ContrastPair(*(str(row[name]) for name in FIELDS)) for row in rows if row["evidence"]]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PromptError(f"{path} has no pairs ({error}): give {', '.join(FIELDS)} for each.") from None


def _of_blimp(row: Mapping[str, str]) -> dict[str, str]:
    """Returns FIELDS of a published row. Raises PromptError for a subset whose evidence no rule finds."""
    subset, prefix, *words = (row[name].strip() for name in BLIMP)
    rule = next((rule for name, rule in BLIMP_EVIDENCE.items() if re.fullmatch(name, subset)), None)
    if "evidence" not in row and rule is None:
        raise PromptError(f"The subset {subset} needs a field evidence: no rule finds what decides in its sentences.")
    found = list(re.finditer(rule, prefix)) if rule else []
    evidence = row.get("evidence") or (found[-1 if "determiner" in subset else 0].group(1) if found else "")
    if len(re.findall(re.escape(evidence), prefix, re.IGNORECASE)) != 1:
        evidence = ""  # where it stands twice, or inside another word, which of them decides is not known
    good, bad = (word.split()[0] for word in words)  # "works with": the first word decides
    return dict(zip(FIELDS, (subset, prefix, good, bad, evidence), strict=True))


def _answers(model: Any, pair: ContrastPair) -> tuple[list[int], list[int]]:
    """Returns the ids of both words up to the first token in which they differ."""
    words = [model.tokenizer.encode(" " + word, add_special_tokens=False) for word in (pair.target, pair.foil)]
    shared = next((i for i, (x, y) in enumerate(zip(*words, strict=False)) if x != y), None)
    if shared is None:
        raise MethodError(f"“{pair.target}” and “{pair.foil}” begin alike for this model: they cannot be told apart.")
    return words[0][: shared + 1], words[1][: shared + 1]


def pair_ranks(model: Any, pair: ContrastPair, weights: HeadWeights | None = None) -> dict[str, float]:
    """Returns {method: 1 / rank of the evidence}, "random" (its expectation) and "right" (1 where the model is).

    The words are compared at the first token in which they differ. Raises MethodError where there is none.
    """
    answers = _answers(model, pair)
    step, foil = len(answers[0]) - 1, answers[1][-1]
    traces = [capture(model, make_request(model.key, pair.prefix, answer=ids, raw=True)) for ids in answers]
    trace = traces[0]
    probes = [knock_out(model, one, "word") for one in traces]
    words = probes[0].units
    own = own_units(trace.tokens, words)
    evidence = units_holding(words, trace.tokens, (pair.evidence,))[own]
    given: dict[str, Any] = {} if weights is None else {"weights": weights}
    values = {}
    for kind in ATTRIBUTIONS:
        try:
            given[kind] = attribute(
                model, trace, kind, [(step, step + 1)], against=foil if kind in CONTRASTED else None
            )
        except MethodError:
            continue
    for name in offered_methods(trace, given):
        if not METHODS[name].picks:
            found = explain(trace, name, sink="separate", granularity="word", given=given)
            values[name] = found.values[step].astype(float)
    values["leave-one-out"] = probes[0].effect[:, step] - probes[1].effect[:, step]
    ranks = {name: _reciprocal(value[own], evidence) for name, value in values.items()}
    ranks["random"] = _random(len(own), int(evidence.sum()))
    ranks["right"] = float(traces[0].logprobs[step] > traces[1].logprobs[step])
    return ranks


def _reciprocal(values: np.ndarray, evidence: np.ndarray) -> float:
    """Returns 1 / rank of the first evidence; ties share the mean of their ranks."""
    best = np.nanmax(np.where(evidence, np.nan_to_num(values), -np.inf))
    others = np.nan_to_num(values)
    return float(1 / (1 + (others > best + 1e-12).sum() + ((abs(others - best) <= 1e-12).sum() - 1) / 2))


def _random(count: int, marked: int) -> float:
    """Returns the expectation of 1 / (rank of the first of ``marked``) in a random order of ``count``."""
    first = [comb(count - rank, marked - 1) / rank for rank in range(1, count - marked + 2)]
    return sum(first) / comb(count, marked)


def contrast_table(
    model: Any, pairs: Iterable[ContrastPair], weights: HeadWeights | None = None, progress: Progress = no_progress
) -> pd.DataFrame:
    """Returns the mean reciprocal rank by subset (rows, "all" last) and method (columns), and "right" and "pairs"."""
    listed: Sequence[ContrastPair] = list(pairs)
    rows = []
    for i, pair in enumerate(listed):
        progress(i / len(listed), f"Pair {i + 1} of {len(listed)}", None)
        try:
            rows.append({"subset": pair.subset, "pairs": 1} | pair_ranks(model, pair, weights))
        except MethodError:
            continue
    table = pd.DataFrame(rows)
    if table.empty:
        raise MethodError("No pair could be measured: this model cannot tell the words of any apart.")
    means = table.groupby("subset").mean(numeric_only=True)
    means["pairs"] = table.groupby("subset").size()
    means.loc["all"] = table.mean(numeric_only=True)
    means.loc["all", "pairs"] = len(table)
    return means
