"""Tests numbers in words: counts, p, percent and points, signs."""

import pytest

from core.study.findings.number_words import amount_text, counted, p_text, signed_text, unit_text


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (counted(1, "prompt"), "1 prompt"),
        (counted(30.0, "prompt"), "30 prompts"),
        (p_text(0.0121), "= 0.012"),
        (p_text(0.0002), "< 0.001"),
        (amount_text(0.351, "share"), "35 %"),
        (amount_text(12.345, "words"), "12.3 words"),
        (unit_text("0 or 1"), " points"),
        (unit_text(""), ""),
        (signed_text(-0.004), "−0.004"),
        (signed_text(0.1254, "share"), "+12.5"),
        (signed_text(-23.41, "words"), "−23.4"),
    ],
)
def test_numbers_in_words(made, wanted):
    assert made == wanted
