"""Tests of links: features and metrics that depend on each other by construction are marked, and none is missed."""

import numpy as np
import pandas as pd
import pytest

from core import correlate
from core.records import SCALE, SLICES, Digest
from core.study.digest import answer_slices
from core.study.features import (
    FEATURES,
    EffectReading,
    Feature,
    MethodReading,
    column_name,
    feature_columns,
    get_feature,
    reading_of,
)
from core.study.links import FACTS, link_reason
from core.study.quality.instructions import INSTRUCTIONS
from core.study.quality.metrics import MEASURES, METRICS
from core.text.token_groups import GROUPS


@pytest.mark.parametrize(
    ("feature", "metric", "ids"),
    [
        ("words", "words", ()),
        ("tokens", "characters", ()),
        ("share_output", "words", ()),
        ("lookback", "tokens", ()),
        ("share_instruction@last-layer", "sentences", ()),
        ("masked_instruction", "mean_logprob", ()),
        ("removed_total_check", "perplexity", ()),
        ("masked_total_context", "tokens", ()),
        ("words", "followed", ("heed:words", "punctuation:no_comma")),
        ("output_tokens", "instructions_loose", ("length_constraints:number_words",)),
        ("token_f1", "correct", ()),
        ("instructions_loose", "followed", ()),
    ],
)
def test_linked_either_way_round_with_a_reason(feature, metric, ids):
    assert link_reason(feature, metric, ids) and link_reason(metric, feature, ids)


@pytest.mark.parametrize(
    ("feature", "metric", "ids"),
    [
        ("share_instruction", "followed", ("heed:words",)),
        ("masked_instruction", "followed", ()),
        ("masked_instruction", "words", ()),
        ("multiple_context", "words", ()),
        ("entropy", "mean_entropy", ()),
        ("words", "followed", ("punctuation:no_comma",)),
        ("prompt_tokens", "correct", ()),
        ("x", "y", ()),
        ("sinking", "words", ()),
    ],
)
def test_not_linked(feature, metric, ids):
    assert link_reason(feature, metric, ids) == ""


PROMPT, TEXT = 24, slice(4, 20)
LENGTHS = (3, 6, 12, 24, 48)


def evenly_read(steps):
    """The digest of a run in which every step read all tokens equally: features of it depend on arithmetic only."""
    names = (
        *GROUPS,
        "segment:instruction",
        "segment:context",
        "segment:question",
        "segment:example",
        "segment:check 1",
    )
    member = np.zeros((PROMPT, len(names)), np.float32)
    member[0, names.index("sink")] = member[1:4, names.index("template")] = member[20:, names.index("system")] = 1
    member[TEXT, names.index("user")] = 1
    for place, name in enumerate(names[-5:]):
        member[4 + 3 * place : 7 + 3 * place, names.index(name)] = 1
    keys = PROMPT + steps - 1
    readable = PROMPT + np.arange(steps)
    rows = (np.arange(keys)[None] < readable[:, None]) / readable[:, None]
    uniform = np.zeros((1, steps, len(names)))
    uniform[0] = rows[:, :PROMPT] @ member
    uniform[0, :, names.index("output")] = rows[:, PROMPT:].sum(1)
    total = PROMPT + steps
    return Digest(
        run="a" * 64, answer="word " * steps, finish="end", prompt_length=PROMPT, texts=("word",) * total,
        roles=("user",) * PROMPT + ("assistant",) * steps, parts=("prompt",) * PROMPT + ("answer",) * steps,
        content=np.arange(PROMPT) % 2 == 0, ids=np.zeros(total), logprobs=np.full(steps, -1.0),
        entropy=np.full(steps, 1.0), groups=names, member=member, mass=uniform[0], methods=("mean-attention",),
        uniform=uniform, rows=np.round(np.sqrt(rows[None]) * SCALE), heads=np.zeros((len(SLICES), 1, 1, len(names))),
        lookback=np.full((1, 1), 0.5), layers=(0,), before=1 / readable[None],
        spread=np.array([np.log(readable[part]).mean() if len(part) else np.nan for part in answer_slices(np.arange(steps))])
        .reshape(-1, 1, 1),
    )  # fmt: skip


def by_length(feature):
    """The feature's values on answers that differ only in length."""
    if feature.needs == "effects":
        lost = {f"{mode}_total_{part}": 0.1 for mode in ("masked", "removed") for part in
                ("instruction", "context", "question", "example", "check")}  # fmt: skip
        return [feature.function(EffectReading({k: v * n for k, v in lost.items()}, n)) for n in LENGTHS]
    digests = [evenly_read(n) for n in LENGTHS]
    return [feature.function(d if feature.needs == "digest" else reading_of(d)) for d in digests]


def forgotten(features):
    """Names of features that rise or fall with the answer's length alone and are not linked to it."""
    found = []
    for name, feature in features.items():
        values = np.array(by_length(feature), float)
        steps = np.diff(values)
        moves = np.isfinite(values).all() and np.ptp(values) > 1e-3 and (all(steps > 0) or all(steps < 0))
        if moves and "length" not in feature.linked:
            found.append(name)
    return found


def test_no_feature_forgets_that_it_goes_with_length():
    assert forgotten(FEATURES) == []
    moved = [n for n, f in FEATURES.items() if np.ptp(by_length(f)) > 1e-3]
    assert {"share_instruction", "sink", "share_output", "masked_total_context"} <= set(moved), "the probe sees nothing"


def test_a_feature_that_forgets_is_found():
    made = {"about": "", "range": "", "source": ""}

    def steps(reading: MethodReading) -> float:
        return float(len(reading.steps))

    new = Feature("Steps", steps, "steps", made["about"], made["range"], made["source"])
    assert forgotten({"steps": new}) == ["steps"]
    told = Feature("Steps", steps, "steps", "", "", "", linked={"length": "it counts them"})
    assert forgotten({"steps": told}) == []


def test_what_is_declared_is_known():
    kinds = {m.measures for m in METRICS.values()} - {""}
    assert kinds <= MEASURES.keys() and set(FACTS.values()) <= MEASURES.keys()
    for column in (*METRICS.values(), *FEATURES.values()):
        assert column.linked.keys() <= MEASURES.keys() and all(column.linked.values())
    assert {i for i, check in INSTRUCTIONS.items() if check.goes_with_length} == {
        *(f"heed:{kind}" for kind in ("words", "sentences", "characters", "lines", "one_of", "number")),
        *(i for i in INSTRUCTIONS if i.startswith("length_constraints:")),
        "keywords:frequency", "change_case:capital_word_frequency",
    }  # fmt: skip


def test_a_column_by_any_method_is_its_feature():
    columns = feature_columns(["mean-attention", "max-heads"])
    assert column_name("sink", "max-heads") == "sink@max-heads" and "sink@max-heads" in columns
    assert column_name("lookback", "max-heads") == "lookback", "it is the same by every method"
    assert get_feature("sink@max-heads").label == "Sink, strongest head"
    assert get_feature("sink@max-heads").linked == FEATURES["sink"].linked
    assert get_feature("lookback@max-heads") is None and get_feature("nonsense") is None


def test_correlations_of_a_study_leave_linked_pairs_out():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"prompt_id": [f"p{i}" for i in range(40)], "words": rng.integers(1, 50, 40)})
    table["share_output"] = table["words"] / 100 + rng.normal(size=40) / 1000
    found = correlate(table, ["share_output"], ["words"], permutations=99, resamples=0).iloc[0]
    assert found["linked"] and "longer answer" in found["why"] and np.isnan(found["q"])
