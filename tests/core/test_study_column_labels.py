"""Tests of labels: every suite, structure, metric and feature has its own; unknown keys stay as they are."""

from core.study.column_labels import (
    TASK_WORDS,
    column_description,
    column_label,
    feature_groups,
    features_of,
    group_of,
    is_binary,
    metrics_of,
    model_label,
    structure_label,
    task_label,
)
from core.study.features import FEATURES, feature_columns
from core.study.item_files import TASKS
from core.study.prompt_structures import STRUCTURES
from core.study.quality.metrics import METRICS


def test_every_task_has_words_and_no_two_the_same():
    assert set(TASKS) <= set(TASK_WORDS) and len(set(TASK_WORDS.values())) == len(TASK_WORDS)


def test_everything_is_named_once():
    for keys, words in ((METRICS, column_label), (FEATURES, column_label), (STRUCTURES, structure_label)):
        assert len({words(k) for k in keys}) == len(keys)


def test_what_is_not_known_stays():
    assert task_label("my task") == column_label("my task") == model_label("my task") == "my task"
    assert structure_label("custom:Mine") == "Mine" and column_description("x") == "" and not is_binary("x")


def test_columns_in_their_order():
    assert metrics_of(["words", "correct", "chrf", "x"]) == ["correct", "chrf", "words"]
    columns = feature_columns(["last-layer", "mean-attention", "max-heads"])
    assert list(feature_groups(columns).items()) == [
        ("mean-attention", "Mean of all heads"), ("last-layer", "Last layer"), ("max-heads", "Strongest head"),
        ("causal", "Knock-out"),
    ]  # fmt: skip
    groups = [features_of(columns, g) for g in feature_groups(columns)]
    assert [f for g in groups for f in g] == features_of(columns) and set(features_of(columns)) == set(columns)
    assert group_of("masked_check") == "causal" and group_of("sink@last-layer") == "last-layer"
    assert column_description("correct") and "Source" in column_description("sink")
