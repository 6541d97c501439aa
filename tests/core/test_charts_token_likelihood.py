"""Tests of how likely an answer was: its score, the rank of each token, and what the strip and the CSV say."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest

from core.charts.token_likelihood import (
    answer_score,
    token_likelihood_csv,
    token_likelihood_data,
    token_rank,
)
from tests.pages import made_up


def test_the_score_is_made_of_the_answers_own_tokens():
    trace = made_up.run()
    parts = (*trace.tokens.parts[:-1], "end")
    trace = replace(trace, tokens=replace(trace.tokens, parts=parts))
    own = np.asarray(trace.logprobs, float)[trace.answer_steps]
    found = answer_score(trace)
    assert found.tokens == len(own) < trace.steps, "the end token is not the answer's"
    assert found.total == pytest.approx(own.sum()) and found.mean == pytest.approx(own.mean())
    assert found.perplexity == pytest.approx(math.exp(-own.mean()))


def test_a_rank_comes_from_the_run_or_from_its_alternatives():
    trace = made_up.run()
    written = trace.token_ids[trace.prompt_length :]
    ids = np.array(trace.alternative_ids)
    ids[0], ids[0, 2] = -1, written[0]
    ids[1] = -1
    old = replace(trace, alternative_ids=ids, ranks=None)
    assert token_rank(old, 0) == 3 and token_rank(old, 1) is None
    assert "run it again" in token_likelihood_data(old)["tokens"][1]["lines"][0]
    new = replace(trace, ranks=np.arange(1000, 1000 + trace.steps))
    assert token_rank(new, 1) == 1001 and "rank 1,001" in token_likelihood_data(new)["tokens"][1]["lines"][0]


def test_shades_are_on_a_fixed_scale_and_hover_says_five():
    trace = made_up.run()
    logprobs = np.zeros(trace.steps, np.float32)
    logprobs[1:4] = np.log([0.1, 0.01, 0.0001])
    tokens = token_likelihood_data(replace(trace, logprobs=logprobs))["tokens"]
    assert [t["s"] for t in tokens[:4]] == pytest.approx([0, 0.5, 1, 1], abs=1e-3)
    assert "".join(t["t"] for t in tokens) == "".join(trace.output_tokens)
    assert all(len(t["lines"]) == 1 + trace.alternative_ids.shape[1] for t in tokens)
    assert tokens[1]["lines"][0].startswith("10") and "−2.30 nats" in tokens[1]["lines"][0]


def test_impossible_tokens_and_empty_answers_are_told():
    trace = made_up.run()
    logprobs = np.full(trace.steps, -np.inf, np.float32)
    tokens = token_likelihood_data(replace(trace, logprobs=logprobs))["tokens"]
    assert tokens[0]["s"] == 1 and tokens[0]["lines"][0].startswith("0")


def test_the_csv_holds_every_number():
    trace = made_up.run()
    rows = list(csv.reader(io.StringIO(token_likelihood_csv(trace))))
    assert len(rows) == 1 + trace.steps and rows[0][:4] == ["step", "token", "log-probability", "rank"]
    assert [float(r[2]) for r in rows[1:]] == pytest.approx(trace.logprobs.tolist())
    assert [float(r[5]) for r in rows[1:]] == pytest.approx(trace.alternative_logprobs[:, 0].tolist())
