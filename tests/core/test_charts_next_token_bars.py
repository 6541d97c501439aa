"""Tests of the bars of next tokens: probabilities, likeliest first."""

import pytest

from core.charts.next_token_bars import next_token_chart
from tests.core.comparisons_made_up import next_tokens, rows_with

pytestmark = pytest.mark.slow


def test_next_words_are_probabilities_likeliest_first():
    chart = next_token_chart(next_tokens(), ("The man", "The woman"))
    bars = rows_with(chart, "p")
    assert [b["token"] for b in bars if b["run"] == 0] == ["␣man", "␣nurse", "␣doctor"]
    assert {(b["token"], b["prompt"]): b["p"] for b in bars}["␣man", "The woman"] == pytest.approx(0.7)
    lines = " ".join(chart.to_dict()["title"]["subtitle"])
    assert "on all other tokens: The man 24.0 % The woman 15.0 %" in lines
    with pytest.raises(ValueError, match="logprobs has shape"):
        next_token_chart(next_tokens(), ("one",))
