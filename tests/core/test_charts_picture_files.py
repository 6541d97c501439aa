"""Tests figures as PNG, SVG and PDF: scale, white ground, captions, scripts and fonts that are missing."""

import contextlib
import io
import re
import zlib

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


def contents(pdf):
    """A PDF's bytes, its compressed parts unpacked."""
    found = [pdf]
    for part in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompress(part[1]))
    return b"".join(found)


SCRIPTS = {
    "latin": "plain é ß ␣x",
    "cjk": "你好 かな 한국어",
    "arabic": "مرحبا שלום",
    "hindi": "हिन्दी",
    "emoji": "😀",
    "family": "x 👩‍👩‍👧 y",
    "flag": "🇩🇪",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_pdf_has_vectors_and_embeds_its_fonts(script):
    """Also where vl-convert cannot: it draws joined emoji as boxes, and embeds no font with a flag."""
    figure = picture_files.pdf(chart(SCRIPTS[script]))
    inside = contents(figure.data)
    assert figure.data.startswith(b"%PDF")
    assert figure.note == "" or picture_files.missing(SCRIPTS[script])
    assert b"/Subtype/Image" not in inside.replace(b" ", b"") or script in ("emoji", "family", "flag")
    fonts = re.findall(rb"/Subtype\s*/Type0", inside)
    assert len(fonts) >= 2 and len(re.findall(rb"/FontFile\d?", inside)) >= len(fonts)
    assert re.search(rb"/ToUnicode", inside), "text stays text: it can be searched and copied"


def test_joined_emoji_are_embedded_with_their_colours():
    if picture_files.missing("😀"):
        pytest.skip("no emoji font on this machine")
    assert b"/Type3" in contents(picture_files.pdf(chart("x 👩‍👩‍👧 y")).data)


def test_a_pdf_is_as_wide_as_its_chart_at_96_pixels_an_inch():
    drawn = alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_bar().encode(x="a:Q")
    drawn = drawn.properties(width=330, height=60, autosize={"type": "fit", "contains": "padding"})
    box = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", contents(picture_files.pdf(drawn).data))
    assert float(box[1]) == pytest.approx(330 * 72 / 96, abs=0.1)
    assert float(box[2]) == pytest.approx(60 * 72 / 96, abs=0.1)


def test_where_typst_fails_vl_convert_draws(monkeypatch, caplog):
    def refuses(*args):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(picture_files, "typeset", refuses)
    assert b"/FontFile" in contents(picture_files.pdf(chart()).data)
    assert Image.open(io.BytesIO(picture_files.png(chart()).data)).width > 300
    assert "no such thing" in caplog.text


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
    monkeypatch.setattr(picture_files, "_typeset", lambda *args: None)
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
