"""Keys in words: every suite, structure, metric and feature has its own, what is not known stays as it is."""

from core.quality.metrics import METRICS
from core.study.features import FEATURES
from core.study.items import TASKS
from core.study.structures import STRUCTURES
from core.study.words import (
    GROUPS,
    TASK_WORDS,
    column_about,
    column_words,
    features_of,
    group_of,
    is_binary,
    metrics_of,
    model_words,
    structure_words,
    task_words,
)


def test_every_task_has_words_and_no_two_the_same():
    assert set(TASKS) <= set(TASK_WORDS) and len(set(TASK_WORDS.values())) == len(TASK_WORDS)


def test_everything_is_named_once():
    for keys, words in ((METRICS, column_words), (FEATURES, column_words), (STRUCTURES, structure_words)):
        assert len({words(k) for k in keys}) == len(keys)


def test_what_is_not_known_stays():
    assert task_words("my task") == column_words("my task") == model_words("my task") == "my task"
    assert structure_words("custom:Mine") == "Mine" and column_about("x") == "" and not is_binary("x")


def test_columns_in_their_order():
    assert metrics_of(["words", "correct", "chrf", "x"]) == ["correct", "chrf", "words"]
    groups = [features_of(FEATURES, g) for g in GROUPS]
    assert sorted(f for g in groups for f in g) == sorted(FEATURES) and all(groups)
    assert group_of("masked_check") == "causal" and group_of("sink@last-layer") == "last"
    assert column_about("correct") and "Source" in column_about("sink")
