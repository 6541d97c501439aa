"""Tests how numbers and texts become labels: digits, percentages, odd characters, captions, steps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts import text_labels
from tests.core import charts_made_up as made


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0417, "4.17 %"), (0.5, "50.0 %"), (1, "100 %"), (0, "0 %"), (0.000123, "0.0123 %"), (1e-12, "1.00e-10 %")],
)
def test_percent_keeps_three_digits(share, text):
    assert text_labels.percent_text(share) == text


@given(st.floats(1e-9, 1e6))
def test_digits_are_true_to_half_a_percent(x):
    assert float(text_labels.significant_digits(x)) == pytest.approx(x, rel=5e-3)


def test_times_uniform():
    assert text_labels.multiple_text(0.3, 0.1) == "3.00 × uniform"
    assert text_labels.multiple_text(0.3, 0.0) == "nothing to read here"


@given(st.text(max_size=60))
def test_labels_are_never_empty_never_turn_the_line_and_stay_short(text):
    shown = text_labels.visible_label(text)
    assert shown
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\n\r\t\x00")
    assert text_labels.visible_label("a" * 100) == "a" * 23 + "…"


def test_labels_show_spaces():
    assert text_labels.visible_label(" sky") == "␣sky"
    assert text_labels.visible_label("\u2068שלום\u2069") == "שלום"


@given(st.text(max_size=60))
def test_running_text_keeps_letters_and_breaks(text):
    shown = text_labels.plain_text(text)
    assert not set(shown) & set("\u202e\u2066\x00\x1b\r")
    assert shown.count("\n") == text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert "👩‍👧" in text_labels.plain_text(text + "👩‍👧")


def test_caption_names_weights_method_sink_granularity_and_run():
    tr = made.trace()
    text = " | ".join(text_labels.caption_of(made.importance(tr)))
    for part in (
        "SmolLM2 135M Instruct · Q4_1 · float32 · b179c952",
        "mean-attention",
        "sink shown",
        "word",
        tr.id[:8],
    ):
        assert part in text
    assert all(len(line) <= 64 for line in text_labels.caption_of(made.importance(tr)))


@pytest.mark.parametrize(("unit", "said"), [("share", "sink left out, rest scaled to 1"), ("score", "sink left out")])
def test_only_shares_are_said_to_be_scaled(unit, said):
    dropped = replace(made.importance(made.trace()), unit=unit, parameters={"sink": "drop"})
    assert said in text_labels.settings_line(dropped).split(" · ")


def test_steps_count_from_one_and_ranges_are_ranges():
    tr = made.trace()
    assert text_labels.step_names(made.importance(tr))[:3] == ["1", "2", "3"]


def test_earlier_output_is_what_was_written():
    tr = made.trace()
    later = text_labels.earlier_output(made.importance(tr, "all"), tr.prompt_length)
    assert later.sum() == tr.steps - 1
    assert not later[: tr.prompt_length].any()


@pytest.mark.parametrize("n", [1, 7, 100, 4000])
def test_thinned_labels_fit(n):
    shown = text_labels.thin_labels(n, 500, 12)
    assert shown[0] == 0
    assert len(shown) * 12 <= 500 + 12
    assert len(set(np.diff(shown))) <= 1
