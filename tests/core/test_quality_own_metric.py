"""Tests of own metrics: known verdicts, cut-off answers, one sentence for what cannot be used, names of columns."""

import time

import pytest

from core.errors import PromptError
from core.records import Answered
from core.study.column_labels import column_description, column_label, is_binary, metrics_of
from core.study.quality.metrics import get_metric, outcome_metrics
from core.study.quality.own_columns import judge_columns_of
from core.study.quality.own_metric import (
    OWN_KINDS,
    OwnMetric,
    checked_own_metrics,
    own_metric_from,
    own_value,
    try_own_metric,
)

OBJECT = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
QWEN = "qwen2.5-coder-0.5b-instruct"


def verdict(kind, text, answer, truncated=False, **more):
    return own_value(OwnMetric("mine", kind, text, **more), Answered("", answer, truncated=truncated)).value


@pytest.mark.parametrize(
    ("kind", "text", "answer", "more", "want"),
    [
        ("contains", "blue", "It is blue.", {}, 1), ("contains", "Blue", "It is blue.", {}, 0),
        ("contains", "Blue", "It is blue.", {"ignore_case": True}, 1),
        ("contains", "blue", "It is blue.", {"negate": True}, 0), ("contains", ".*", "It is blue.", {}, 0),
        ("equals", "blue", " blue\n", {}, 1), ("equals", "blue", "blue!", {}, 0),
        ("equals", "STRASSE", "straße", {"ignore_case": True}, 1),
        ("regex", r"\d+", "It is 42.", {}, 1), ("regex", r"\d+", "It is 42.", {"whole": True}, 0),
        ("regex", r"\d+", " 42 ", {"whole": True}, 1), ("regex", "BLUE", "blue", {"ignore_case": True}, 1),
        ("json_schema", OBJECT, 'Here: {"n": 3}', {}, 1), ("json_schema", OBJECT, 'Here: {"n": 3}', {"whole": True}, 0),
        ("json_schema", OBJECT, '{"n": "3"}', {}, 0), ("json_schema", OBJECT, "none", {}, 0),
        ("json_schema", OBJECT, '{"n": 3}', {"whole": True}, 1), ("json_schema", OBJECT, "{" * 50_000, {}, 0),
        ("json_schema", '{"type": "number"}', "NaN", {"whole": True}, 0),
        ("json_schema", '{"properties": {"a": {"pattern": "^x+$"}}}', '{"a": "xx"}', {}, 1),
        ("json_schema", '{"properties": {"a": {"pattern": "^x+$"}}}', '{"a": "y"}', {}, 0),
    ],
)  # fmt: skip
def test_known_verdicts(kind, text, answer, more, want):
    assert verdict(kind, text, answer, **more) == want


@pytest.mark.parametrize(
    ("kind", "text", "answer", "more", "want"),
    [
        ("contains", "blue", "It is blue and", {}, 1), ("contains", "blue", "It is", {}, None),
        ("contains", "blue", "It is blue and", {"negate": True}, 0), ("contains", "blue", "It is", {"negate": True}, None),
        ("equals", "blue", "blue", {}, None), ("equals", "blue", "red", {}, 0), ("equals", "blue", "bl", {}, None),
        ("regex", r"\d", "4 and", {}, 1), ("regex", r"and$", "4 and", {}, None), ("regex", r"\d", "no", {}, None),
        ("regex", r"4(?!.*x)", "4 and", {}, None), ("regex", r"\d", "4", {"whole": True}, None),
        ("json_schema", OBJECT, '{"n": 3} and', {}, 1), ("json_schema", OBJECT, '{"n": ', {}, None),
    ],
)  # fmt: skip
def test_what_more_text_could_change_is_undefined(kind, text, answer, more, want):
    found = own_value(OwnMetric("mine", kind, text, **more), Answered("", answer, truncated=True))
    assert found.value == want and (want is not None or "token limit" in found.why)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("regex", "(a", "is no regular expression"),
        ("regex", "(a|aa)+$", "takes longer than 0.5 s"),
        ("json_schema", "{", "is no JSON"),
        ("json_schema", "[]", "must be an object"),
        ("json_schema", '{"type": "strin"}', "not valid at type"),
        ("json_schema", '{"$ref": "https://example.org/x"}', "refers to https://example.org/x"),
        ("json_schema", '{"$ref": "#/nowhere"}', "cannot be followed"),
        ("json_schema", '{"$ref": "#"}', "without end"),
        ("json_schema", '{"pattern": "("}', "A pattern in the JSON schema"),
        ("json_schema", '{"patternProperties": {"a": {}}}', "patternProperties"),
        ("python", "../x.py", "plugins/metrics"),
        ("python", "x", "plugins/metrics"),
        ("judge", "Is it right?", "has no model"),
        ("spell", "x", "There is no kind of metric 'spell'"),
        ("contains", "  ", "needs a text"),
        ("contains", 3, "must be text"),
    ],
)
def test_what_cannot_be_used_is_said_at_once_in_one_sentence(kind, text, words):
    began = time.monotonic()
    with pytest.raises(PromptError, match="(?s)" + words) as caught:
        try_own_metric(OwnMetric("mine", kind, text))
    assert "\n" not in str(caught.value).strip() and time.monotonic() - began < 60


def test_a_pattern_that_never_ends_on_one_answer_leaves_that_answer_undefined():
    metric = OwnMetric("mine", "regex", r"(x|xx)+y")
    try_own_metric(metric)  # it ends on the texts that are tried before there is any answer
    began = time.monotonic()
    found = own_value(metric, Answered("", "x" * 200 + "!"))
    assert found.value is None and "takes longer" in found.why and time.monotonic() - began < 60
    with pytest.raises(PromptError, match="on the answer “xxx"):
        try_own_metric(metric, ["fine", "x" * 200 + "!"])
    schema = OwnMetric("mine", "json_schema", '{"properties": {"a": {"pattern": "(x|xx)+y"}}}')
    assert "takes longer" in own_value(schema, Answered("", '{"a": "' + "x" * 200 + '"}')).why


def test_a_schema_reaches_for_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert verdict("json_schema", '{"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"}', "3", whole=True) == 1


def test_a_python_file_counts_only_where_the_owner_switched_plugins_on(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.delenv("HEED_PLUGINS", raising=False)
    folder = tmp_path / "plugins" / "metrics"
    folder.mkdir(parents=True)
    (folder / "polite.py").write_text(
        "def passes(answered):\n    return None if not answered.answer else 'please' in answered.answer\n"
    )
    metric = OwnMetric("polite", "python", "polite.py")  # a plan that names it opens all the same
    off = own_value(metric, Answered("", "please"))
    assert off.value is None and "HEED_PLUGINS=1" in off.why
    monkeypatch.setenv("HEED_PLUGINS", "1")
    assert own_value(metric, Answered("", "please")).value == 1 and own_value(metric, Answered("", "no")).value == 0
    assert own_value(metric, Answered("", "")).value is None
    with pytest.raises(PromptError, match="There is no file"):
        try_own_metric(OwnMetric("rude", "python", "rude.py"))
    (folder / "broken.py").write_text("def passes(")
    with pytest.raises(PromptError, match=r"broken\.py cannot be loaded"):
        try_own_metric(OwnMetric("broken", "python", "broken.py"))
    (folder / "empty.py").write_text("")
    with pytest.raises(PromptError, match="has no function passes"):
        try_own_metric(OwnMetric("empty", "python", "empty.py"))


def test_names_are_plain_and_each_used_once():
    assert OwnMetric("  a \n b ", "contains", "x").name == "a b"
    for name in ("", "a" * 41, "a@b"):
        with pytest.raises(PromptError, match="needs a name"):
            OwnMetric(name, "contains", "x")
    two = [{"name": "a", "kind": "contains", "text": "x"}, {"name": "a", "kind": "regex", "text": "y"}]
    with pytest.raises(PromptError, match="Two own metrics are called “a”"):
        checked_own_metrics(two)
    with pytest.raises(PromptError, match="An own metric is an object"):
        own_metric_from({"name": "a", "kind": "contains"})


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_a_metric_survives_json(kind):
    text = {"json_schema": OBJECT, "python": "x.py"}.get(kind, "x")
    metric = OwnMetric("mine", kind, text, negate=True)
    assert own_metric_from(metric.plain()) == metric
    assert metric.plain() == {"name": "mine", "kind": kind, "text": text, "negate": True}


def test_a_column_says_all_that_tables_must_know():
    judge = OwnMetric("right", "judge", "It is right.", model=QWEN)
    five = OwnMetric("good", "judge", "It is good.", model="some/model", scale="1-5")
    assert (judge.column, five.column) == (f"judge:right@{QWEN}", "judge5:good@some/model")
    assert column_label(judge.column).startswith("right (judged by Qwen2.5")
    assert column_label(five.column) == "good (judged by some/model)"
    assert get_metric(judge.column).unit == "share" and get_metric(five.column).unit == "rating"
    assert get_metric(judge.column).kind == "proxy" and "no person's" in column_description(judge.column)
    assert is_binary("own:mine") and is_binary("passed:match") and not is_binary("score:f1")
    columns = ["words", "correct", "own:mine", "score:f1", judge.column, "factor:x", "own:", "cell"]
    assert metrics_of(columns) == ["own:mine", "score:f1", "correct", judge.column, "words"]
    assert outcome_metrics(columns, binary=True)[0] == "own:mine" and outcome_metrics(binary=True) == [
        "followed",
        "correct",
    ]
    assert judge_columns_of(columns) == [judge.column] and get_metric("factor:x") is None and get_metric("own:") is None
