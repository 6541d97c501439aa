"""Writes the methods section of a study: what was run, measured, compared and tested, with the numbers used.

It describes what the code does and nothing else: whoever changes a statistic changes its paragraph. References are by
author and year. Guarded by tests/core/test_findings_analysis.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..column_labels import column_label, model_label, structure_label, task_label
from ..statistics.power import OF_EACH, PROMPTS

if TYPE_CHECKING:
    from ..plan import Plan
    from .record import Findings


def methods_section_text(plan: Plan | None, found: Findings, *, permutations: int = 999, resamples: int = 999) -> str:
    """Returns the paragraphs, separated by blank lines."""
    parts = [
        _data(plan, found),
        _measures(),
        _structures(found, permutations, resamples),
        _correlations(plan, permutations, resamples),
        _steering(found, permutations) if len(found.doses) else "",
        _prediction(resamples) if len(found.prediction) else "",
        _limits(len(found.doses) > 0),
    ]
    return "\n\n".join(p for p in parts if p)


def _data(plan: Plan | None, found: Findings) -> str:
    f = found.facts
    cells = found.cells
    names = ", ".join(model_label(str(m)) for m in dict.fromkeys(cells["model"]))
    tasks = ", ".join(task_label(str(t)) for t in dict.fromkeys(cells["task"]))
    used = ", ".join(structure_label(s) for s in dict.fromkeys(cells.loc[~cells["control"], "structure"]))
    text = (
        f"Data. {f['prompts']} prompts ({tasks}) were laid out in {f['structures']} structures ({used}) and answered "
        f"by {names}: {f['runs']} runs, {f['controls']} of them position controls. {f['failed']} runs failed; "
        f"{f['truncated']} answers were stopped by the token limit, and metrics that depend on length or on the end of "
        "an answer are undefined for those; undefined values are left out, never counted as 0."
    )
    if plan is None:
        return text + " The table was given without a plan: all of it is exploratory."
    way = (
        f"sampled at temperature {plan.temperature:g} with {len(plan.seeds)} seeds"
        if plan.hot
        else "greedy, one answer a cell"
    )
    longest = int(f.get("longest", 0))
    longer = f" (answers that were cut off went on to {longest})" if longest > plan.max_new_tokens else ""
    return f"{text} Decoding was {way}, at most {plan.max_new_tokens} new tokens{longer}. Plan: sha256 {plan.id[:16]}."


def _measures() -> str:
    return (
        "Measures. Outcomes say whether an answer is good (a reference, verifiable instructions, a person); proxies "
        "and descriptors do not. Attention features are means over the steps of the answer; the row of a step is the "
        "query row of the token before it. Knock-out effects are the log-probability (nats) that the same answer loses "
        "when a segment is masked or removed; above 0, the answer was less likely without it."
    )


def _structures(found: Findings, permutations: int, resamples: int) -> str:
    from .record import comparison_resamples

    return (
        f"Structures. Each structure is compared with {structure_label(found.base)} on the same prompts: runs of a "
        "prompt that differ by seed are averaged, the difference is taken within the prompt (and model), and averaged "
        f"over prompts. Intervals (95 %) and p are bootstrap-t over prompts ({comparison_resamples(permutations)} "
        "draws; the wider of equal-tailed and symmetric, since effects may be skewed); for yes / no scores with one "
        "answer a prompt, adjusted Wald intervals for matched pairs (Agresti and Min 2005) with McNemar's exact test, "
        "and Wilson's interval for levels. A structure also moves words. So it is run again with a "
        "neutral filler of equal token length in the instruction's place (position control), and claims about "
        "attention and effects are (structure - its control) - (baseline - its control), by prompt. q: "
        "Benjamini-Hochberg (1995) over all structures, tasks and models, separately for outcomes, proxies, "
        "descriptors, attention and effects, and for each of the three questions."
    )


def _correlations(plan: Plan | None, permutations: int, resamples: int) -> str:
    named_pairs = plan.primary if plan is not None else ()
    pairs = ", ".join(f"{column_label(f)} with {column_label(m)}" for f, m in named_pairs)
    named = (
        f"Primary, named before the first run: {pairs}; their p is corrected by Holm (1979) over both estimands. "
        if pairs
        else "No pair was named in advance. "
    )
    return (
        "Importance and quality. Spearman correlations, two estimands. Between prompts: within each task x model x "
        "structure, pooled by random effects on Fisher's z, with I² and each stratum shown. Within a prompt: changes "
        "of the feature against changes of quality from one structure to another. Intervals draw prompts again "
        f"({resamples} times); p moves whole prompts within strata, or structure labels within a prompt, at least "
        f"{permutations} times. Controlled columns hold the length of the prompt (ranks minus their fit on a cubic "
        "spline of its ranks), and a pair is called a finding only if it stands there too, with a q (or Holm's p) of "
        "its own; post-treatment columns also hold the "
        "length and the log-probability of the answer: both are produced by the answer, so controlling for them can "
        "also hide a real link. Pairs that are linked by construction are shown and are no part of the family. q: "
        f"Benjamini-Hochberg over the whole grid. {named}All other pairs are exploratory."
    )


def _prediction(resamples: int) -> str:
    return (
        "Prediction. For each model, L2 logistic regression on per-head features (standardised on the training part, C "
        "by log loss in 3 inner folds of prompts), tried on a task that was left out, and on prompts in 5 folds; also "
        "from the first answer step only. AUROC counts pairs of runs that were left out together; 'within' only those "
        f"of the same task and structure. Intervals draw prompts again ({resamples} times) and keep the fitted "
        "predictions. The direction of a single feature is learned on the training prompts, in each draw anew. "
        "Baselines: rates of task and structure, another prompt's run of the same task and structure, length, "
        "log-probability and, where present, an embedding of the prompt (all-MiniLM-L6-v2)."
    )


def _steering(found: Findings, permutations: int) -> str:
    from ..statistics.dose_response import COMPARABLE
    from .record import comparison_resamples
    from .steering_sentences import part_text, times_text

    rows = found.doses
    turned = {
        str(part): ", ".join(dict.fromkeys(times_text(f) for f in of_part["factor"]))
        for part, of_part in rows[rows["role"].isin(["part", "control"])].groupby("part", sort=False)
    }
    control = [part_text(str(p)) for p in dict.fromkeys(rows.loc[rows["role"] == "control", "part"])]
    draws = comparison_resamples(permutations)
    return (
        "Steering. The odds of reading a part of the prompt were multiplied by a factor, in the structure "
        f"{structure_label(found.base)}: {'; '.join(f'{part_text(p)} {f}' for p, f in turned.items())}. All other "
        "analyses leave these runs out. Each is compared with the plain run of the same prompt"
        f"{f', and with the same factor on {control[0]} (control)' if control else ''}: paired differences by prompt, "
        f"intervals and p as for structures ({draws} draws). The trend is the mean over prompts of each prompt's slope "
        f"per doubling; its p exchanges the factors' labels within prompts (up to {draws} times), as does a test of "
        "the factors' means lying apart in any order. q: Benjamini-Hochberg over parts, factors, rivals, both "
        "differences, trends, tasks and models, separately for outcomes, for their split by instruction, for the price "
        "and for shares. A change must also stand with cut-off answers counted as not correct. Answers of comparable "
        f"length are pairs whose words differ by at most a factor of {COMPARABLE:g}. Of the pairs whose "
        "scores differ, a conditional logistic regression gives the odds that the steered answer is the better one at "
        "equal length, given the logarithm of the ratio of words (score test with continuity correction). A change is "
        "called an effect of reading only if it exceeds that of the control part (q below 0.05) and these odds tell "
        f"the same direction (q below 0.05, at least {PROMPTS} pairs); pairs of comparable length are chosen by the "
        "answers, so that a change may be missed. "
        "Instructions that an answer of one word already follows, by their own check, are counted apart."
    )


def _limits(steered: bool = False) -> str:
    if steered:
        return (
            f"Verdicts need {PROMPTS} prompts, and of a yes / no outcome {OF_EACH} prompts of each class; runs do not "
            "count. But for steering, all of this is observed, not varied: it shows what goes together in these models "
            "and prompts, and claims no cause."
        )
    return (
        f"Verdicts need {PROMPTS} prompts, and of a yes / no outcome {OF_EACH} prompts of each class; runs do not "
        "count. All of this is observed, not varied: it shows what goes together in these models and prompts, and "
        "claims no cause."
    )
