"""Widths of texts: known advances of Noto Sans, lines that fit, and nothing that is lost."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.text_widths import fitting_text, text_width, word_pieces, wrapped_text

NOTO = Path("/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf")
TEXTS = st.text(st.sampled_from("abc iWm.,é東色😀\u0301 -—"), max_size=60)


def test_known_widths():
    assert text_width("AA", 10) == pytest.approx(12.8)
    assert text_width("色", 10) == 10 and text_width("", 10) == 0
    assert text_width("e\u0301", 10) == text_width("e", 10), "a combining mark takes no room"
    assert text_width("👨\u200d👩\u200d👧", 10) == text_width("😀", 10), "an emoji joined from several is one"


@pytest.mark.skipif(not NOTO.exists(), reason="needs Noto Sans")
def test_widths_are_those_of_the_font():
    from PIL import ImageFont

    font = ImageFont.truetype(str(NOTO), 100)
    for text in ("The quick brown fox", "Attention is what was read — “0.25” · −3", "WWWW iiii"):
        assert text_width(text, 100) == pytest.approx(font.getlength(text), rel=0.03)


def test_a_long_text_ends_in_an_ellipsis():
    assert fitting_text("short", 10, 100) == "short"
    cut = fitting_text("a very long label of a token", 10, 60)
    assert cut.endswith("…") and text_width(cut, 10) <= 60


def test_lines_break_at_spaces_and_long_words_into_pieces():
    assert wrapped_text("one two three", 10, 45) == ["one two", "three"]
    assert wrapped_text("", 10, 45) == []
    assert "".join(word_pieces("W" * 20, 10, 45)) == "W" * 20 and len(word_pieces("W" * 20, 10, 45)) == 5


@given(TEXTS, st.integers(20, 200))
def test_nothing_is_lost_and_every_line_fits(text, pixels):
    lines = wrapped_text(text, 10, pixels)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(text_width(line, 10) <= pixels for line in lines)
    assert text_width(fitting_text(text, 10, pixels), 10) <= pixels
