"""Tests figures as PNG, SVG and PDF: scale, white ground, captions, scripts and fonts that are missing."""

import io

import altair as alt
import pytest
from PIL import Image

from core.charts import picture_files
from core.charts.token_heatmap import heatmap
from tests.core import charts_made_up as made


def chart(text="What color is the sky?"):
    return heatmap(made.importance(made.trace(text, "Blue.")))


def test_png_is_drawn_on_white_at_the_asked_scale():
    figure = picture_files.png(chart(), scale=2)
    picture = Image.open(io.BytesIO(figure.data)).convert("RGB")
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert picture.width == pytest.approx(
        2 * Image.open(io.BytesIO(picture_files.png(chart(), scale=1).data)).width, abs=2
    )
    assert figure.note == ""


def test_svg_keeps_text_and_caption():
    text = picture_files.svg(chart()).data.decode()
    for part in ("<svg", "color", "share of attention", "SmolLM2 135M Instruct"):
        assert part in text


def test_pdf_has_vectors():
    figure = picture_files.pdf(chart())
    assert figure.data.startswith(b"%PDF")
    assert figure.note == ""


def test_a_font_that_cannot_be_embedded_becomes_a_picture(monkeypatch):
    spec = chart().to_dict()

    class Refuses:
        """vl-convert with a PDF call that fails as it does with some fonts."""

        def __getattr__(self, name):
            return getattr(real, name)

        def vegalite_to_pdf(self, spec):
            raise ValueError("An error occurred while subsetting a font.")

    real = picture_files._converter()
    monkeypatch.setattr(picture_files, "_converter", Refuses)
    figure = picture_files.pdf(spec)
    assert figure.data.startswith(b"%PDF")
    assert "picture" in figure.note


def test_every_script_exports_and_latin_is_never_missing():
    for make in (picture_files.png, picture_files.svg, picture_files.pdf):
        assert make(chart("你好 かな 한국어 שלום مرحبا हिन्दी 😀 👩‍👩‍👧 ␣x")).data
    assert picture_files.missing("plain text, é ö ß – “quotes”") == []


def test_characters_without_a_font_are_named():
    assert picture_files.missing("a\U0010fffd") == []
    gone = picture_files.missing("ab\u0378\U0001fbf9")
    assert set(gone) <= {"\u0378", "\U0001fbf9"}
    spec = alt.Chart(alt.InlineData(values=[{"t": "x"}])).mark_text(text="x").properties(title="\ua4cf").to_dict()
    note = picture_files.missing_note(spec)
    assert note == "" or ("\ua4cf" in note and "install" in note)


def test_labels_inside_expressions_are_looked_at():
    assert "你" in "".join(picture_files._strings(chart("你好").to_dict()))


def test_the_chart_itself_is_left_as_it_was():
    drawn = chart()
    before = drawn.to_json()
    picture_files.png(drawn)
    assert drawn.to_json() == before
