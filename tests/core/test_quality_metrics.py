"""Tests of the registry of metrics and of ``score``: what a metric may read, and undefined values."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from core.errors import HeedError
from core.records import Answered, Instruction
from core.study.quality import METRICS, answered_of_trace, score, score_answered
from core.study.quality.metrics import EVIDENCE_KINDS, outcome_metrics, rank_metrics
from tests.core.traces_made_up import trace

OUTCOMES = (
    "correct followed instructions_strict instructions_loose exact_match contains token_f1 chrf bleu rouge_l rating"
)
PROXIES = "relevance_rank relevance_cosine copy_share mean_logprob perplexity"
DESCRIPTORS = "words characters sentences tokens distinct_1 distinct_2 loop_share zlib_ratio mean_entropy"
NEEDS_END = "correct exact_match token_f1 chrf bleu rouge_l words characters sentences tokens"
"""Metrics that the rest of an answer could change either way."""
NO_COMMA = {"id": "punctuation:no_comma", "kwargs": {}}


def test_the_names_and_kinds_that_tables_have():
    assert list(METRICS) == f"{OUTCOMES} {PROXIES} {DESCRIPTORS}".split()
    for kind, names in zip(EVIDENCE_KINDS, (OUTCOMES, PROXIES, DESCRIPTORS), strict=True):
        assert {METRICS[n].kind for n in names.split()} == {kind}


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("text", ["", "Blue.", "The sky is blue, blue, blue. " * 5, "北京", "\n"])
def test_every_metric_gives_a_number_or_says_why(text, truncated):
    n = 3 if text else 0
    record = Answered(
        "Answer in one word: what color?", text, ("blue",), (Instruction("punctuation:no_comma"),), truncated,
        np.full(n, -0.5, np.float32), np.full(n, 0.7, np.float32), np.arange(n), 4.0,
    )  # fmt: skip
    for name, value in score_answered(record).items():
        assert (value.value is None) == bool(value.why), name
        if value.value is not None:
            assert math.isfinite(value.value)
            assert not METRICS[name].binary or value.value in (0, 1), name
        if name in NEEDS_END.split() and truncated:
            assert value.value is None, name


def test_what_findings_report_of_their_own_accord():
    assert outcome_metrics() == "followed correct instructions_strict token_f1 rouge_l rating".split()
    assert outcome_metrics(binary=True) == ["followed", "correct"]
    assert outcome_metrics(binary=True, variants=True) == ["followed", "correct", "exact_match", "contains"]
    assert rank_metrics(["tokens", "own", "correct", "bleu", "followed"]) == "followed correct tokens own bleu".split()


def test_a_new_outcome_is_reported_by_its_line_alone(monkeypatch):
    monkeypatch.setitem(METRICS, "polite", replace(METRICS["correct"], rank=99))
    assert outcome_metrics(binary=True) == ["followed", "correct", "polite"]
    monkeypatch.setitem(METRICS, "later", replace(METRICS["correct"], late=True))
    assert "by name" in score_answered(Answered("q", "a"))["later"].why, "nobody asks one answer for it"


def test_likelihood_is_of_the_answers_tokens():
    logprobs = np.log(np.array([0.5, 0.25, 0.125], np.float32))
    seen = score_answered(Answered("q", "a b c", logprobs=logprobs, entropy=[1.0, 2.0, 3.0]))
    assert seen["mean_logprob"].value == pytest.approx(math.log(0.25))
    assert seen["perplexity"].value == pytest.approx(4)
    assert seen["mean_entropy"].value == 2
    unread = score_answered(Answered("q", "a b c"), ["mean_logprob", "perplexity"])
    assert {v.why for v in unread.values()} == {"no model has read the answer"}
    worst = score_answered(Answered("q", "a", logprobs=[-5000.0]), ["perplexity"])["perplexity"]
    assert worst.value is not None and math.isfinite(worst.value)


def test_a_run_is_scored_on_the_users_text_and_the_answers_steps():
    run = trace([("system", "Be kind."), ("user", "What color?"), ("assistant", "Of what?"), ("user", "The sky.")])
    record = answered_of_trace(run)
    assert (record.prompt, record.answer) == ("What color?\n\nThe sky.", "Blue sky.")
    assert "".join(record.texts) == "Blue sky." and len(record.token_ids) == run.steps - 1, "no end token"
    seen = score(run, reference="blue")
    assert seen["mean_logprob"].value == pytest.approx(float(run.logprobs[run.answer_steps].mean()))
    assert seen["tokens"].value == len(run.answer_steps)
    assert seen["correct"].value == 1 and seen["exact_match"].value == 0
    assert (seen["bleu"].unit, seen["bleu"].better, seen["bleu"].kind) == ("0 to 100", "higher", "outcome")
    assert list(score(run, ["words", "correct"], ["red", "blue"])) == ["words", "correct"]


@pytest.mark.parametrize("given", [NO_COMMA, Instruction("punctuation:no_comma"), NO_COMMA | {"kwargs": None}])
def test_instructions_of_a_run(given):
    assert score(trace("Sky?", "Blue sky."), instructions=[given])["followed"].value == 1
    broken = score(trace("Sky?", "Blue, sky."), instructions=[given])
    assert [broken[n].value for n in ("followed", "instructions_strict", "instructions_loose")] == [0, 0, 0]


def test_several_instructions_and_open_verdicts():
    both = (Instruction("punctuation:no_comma"), Instruction("heed:contains", {"text": "blue"}))
    seen = score_answered(Answered("q", "Blue, sky", instructions=both))
    assert (seen["followed"].value, seen["instructions_strict"].value) == (0, 0.5)
    stopped = score_answered(Answered("q", "Blue sky", instructions=both, truncated=True))
    assert stopped["followed"].value is None and stopped["followed"].why
    failed = score_answered(Answered("q", "Green, sky", instructions=both, truncated=True))
    assert failed["followed"].value == 0, "a comma stays a comma"
    assert failed["instructions_strict"].value is None


def test_what_cannot_be_scored_is_said():
    run = trace("Sky?")
    assert "no reference" in score(run)["correct"].why
    assert "instruction" in score(run)["followed"].why
    assert score(run)["rating"].why == "nobody has rated it"
    with pytest.raises(HeedError, match="no metric 'quality'.*correct"):
        score(run, ["quality"])
    for wrong in ("no_comma", {"kwargs": {}}, {"id": "punctuation:no_comma", "kwargs": [1]}):
        with pytest.raises(HeedError, match="nstruction"):
            score(run, instructions=[wrong])


def test_registry_needs_no_torch():
    code = "import sys, core.study.quality.metrics, core.study.quality.score_answer\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
