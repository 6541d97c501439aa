"""Tests the shaded texts as files: the numbers and colours read back out of each format are those of the Importance."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.picture_files import missing_note
from core.charts.shaded_files import shaded_texts_pdf, shaded_texts_png, shaded_texts_svg
from core.charts.shaded_html import shaded_texts_html
from core.charts.shaded_latex import latex_text, shaded_texts_latex
from core.charts.shaded_sheet import PickedSpan, is_right_to_left, mixed_colour, shaded_sheet, text_lines
from core.charts.text_formats import TEXT_FORMATS, shaded_text_files
from core.charts.text_labels import plain_text
from core.version import __version__
from tests.core import charts_made_up as made

HOSTILE = "</figure><script>alert(1)</script> \\end{document} %# $x_1^2$ ~&{} \"] #panic() [\u202e <|im_end|> 'q' -- ``"
SCRIPTS = "天空是什么颜色？ ما لون السماء؟\nשלום שם\n\n    if a:\n\treturn 😀 👨\u200d👩\u200d👧"
KNOWN = np.array([[0.1, 0.2, 0.4], [0.3, 0.2, 0.0]])


def known():
    """Three words read by two: means 20, 20 and 20 %; by the first alone 10, 20 and 40 %, by the second 30, 20, 0."""
    return made.importance(made.trace("one two three", "four five"), values=KNOWN)


class Spans(HTMLParser):
    """(text, title, background) of every span with a title, and every tag seen."""

    def __init__(self, text):
        super().__init__()
        self.found, self.tags, self.open = [], set(), None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        given = dict(attrs)
        if tag == "span" and "title" in given:
            colour = re.search(r"background:(#\w{6})", given["style"])
            self.open = ["", given["title"], colour and colour[1]]
        elif tag == "br" and self.open:
            self.open[0] += "\n"

    def handle_data(self, data):
        if self.open:
            self.open[0] += data

    def handle_endtag(self, tag):
        if tag == "span" and self.open:
            self.found.append(tuple(self.open))
            self.open = None


def latex_shades(text):
    return [(word, float(p)) for p, word in re.findall(r"\\heedword\{([\d.]+)\}\{(\w+)\}", text)]


def svg_fills(data):
    """Colours of what is filled before the legend, in order, without black, white and ink."""
    return re.findall(r'<path fill="(#\w{6})"', data.decode())


def test_html_says_the_known_numbers_in_their_colours():
    found = Spans(shaded_texts_html(known(), PickedSpan("answer", 0, 1))).found
    assert [word for word, *_ in found] == ["one", "two", "three"]
    assert [title.split(" %")[0] for _, title, _ in found] == ["10.0", "20.0", "40.0"]
    assert (
        [colour for *_, colour in found]
        == ["#daebfb", "#b4d6f8", "#6aaef0"]
        == [mixed_colour(t) for t in (0.25, 0.5, 1)]
    )


def test_latex_and_svg_shade_by_the_same_numbers():
    text = shaded_texts_latex(known(), PickedSpan("answer", 0, 1))
    assert latex_shades(text) == [("one", 25.0), ("two", 50.0), ("three", 100.0)]
    assert r"\heedpicked{four}" in text and r"picked: ``" not in text and "40.0 \\%" in text
    data = shaded_texts_svg(known(), PickedSpan("answer", 0, 1)).data
    fills = [f for f in svg_fills(data) if f in ("#daebfb", "#b4d6f8", "#6aaef0")]
    assert fills == ["#daebfb", "#b4d6f8", "#6aaef0"]


def test_a_picked_word_of_the_prompt_shades_the_answer():
    sheet = shaded_sheet(known(), PickedSpan("input", 2, 3))
    asked, answer = (t.groups[0].words for t in sheet.texts)
    assert [w.strength for w in answer] == [1.0, 0.0] and asked[2].kind == "picked"
    assert "“three” of the prompt" in sheet.caption


def test_the_whole_answer_is_a_mean_over_steps_and_states_its_settings():
    imp = known()
    sheet = shaded_sheet(imp, strength=2.0)
    assert [w.strength for w in sheet.texts[0].groups[0].words] == [1.0, 1.0, 1.0]
    assert sheet.full == "10.0 % and more" and sheet.scale == "share of the answer's attention (mean over its steps)"
    for part in (imp.model, "mean-attention", "sink shown", imp.trace_id[:8], f"Heed {__version__}", "whole answer"):
        assert part in sheet.caption
    assert sheet.sentence.startswith("Over the whole answer")
    assert shaded_sheet(imp, sentence="Said so.").sentence == "Said so."


@pytest.mark.parametrize("picked", [None, PickedSpan("answer", 2, 5), PickedSpan("input", 1, 3)])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_format_has_the_importances_own_numbers(picked, seed):
    imp = made.importance(made.trace("alpha beta gamma delta epsilon", "eins zwei drei vier elf zwoelf"), seed=seed)
    if picked and picked.side == "input":
        values = imp.values[:, 1:3].sum(1)
    else:
        values = imp.values[slice(*picked[1:]) if picked else slice(None)].mean(0)
    shades = values / values.max()
    found = Spans(shaded_texts_html(imp, picked)).found
    assert [float(re.match(r"[\d.e-]+", t)[0]) for _, t, _ in found] == pytest.approx(100 * values, rel=6e-3)
    assert [c or "#ffffff" for *_, c in found] == [mixed_colour(float(s)) for s in shades]
    in_latex = dict(latex_shades(shaded_texts_latex(imp, picked)))
    assert [in_latex[w] for w, *_ in found] == pytest.approx(100 * shades, abs=0.051)
    svg = shaded_texts_svg(imp, picked).data
    fills = svg_fills(svg)
    assert [f for f in fills if f in {c for *_, c in found}][: len(found)] == [c for *_, c in found if c]
    told = ET.fromstring(svg).find("{http://www.w3.org/2000/svg}desc").text
    assert all(f"{word} ({title})" in told for word, title, _ in found)


def test_pictures_are_what_they_say_and_letters_are_outlines():
    assert shaded_texts_png(known()).data.startswith(b"\x89PNG") and shaded_texts_pdf(known()).data.startswith(b"%PDF")
    svg = ET.fromstring(shaded_texts_svg(known()).data)
    tags = {e.tag.rpartition("}")[2] for e in svg.iter()}
    assert "text" not in tags and "script" not in tags and {"title", "desc", "path"} <= tags
    first = next(e for e in svg.iter() if e.tag.endswith("path"))
    assert first.get("fill") == "#ffffff", "white whatever lies behind"


def test_the_snippet_is_one_escaped_element_without_script_or_blank_line():
    imp = made.importance(made.trace(HOSTILE, HOSTILE))
    html = shaded_texts_html(imp, sentence=HOSTILE)
    assert Spans(html).tags <= {"figure", "div", "span", "b", "br", "bdi"}
    assert html.startswith("<figure ") and html.rstrip().endswith("</figure>") and html.count("</figure>") == 1
    assert "http" not in html and "\n\n" not in html and "\u202e" not in html


def test_the_lines_of_a_text_keep_indents_and_blank_lines():
    sheet = shaded_sheet(made.importance(made.trace(SCRIPTS, "ok")))
    lines = ["".join(w.gap + w.text for w in line) for line in text_lines(sheet.texts[0].groups[0])]
    assert lines == plain_text(SCRIPTS).split("\n")
    assert [is_right_to_left(line) for line in lines] == [False, True, False, False, False]


@settings(max_examples=15, deadline=None)
@given(
    st.text(alphabet="a7 \n\t\\{}$&#^_~%<>|\"'`-[]()é你ش😀\u202e\x07\ud800·", min_size=1, max_size=30).filter(str.strip)
)
def test_no_text_breaks_a_file(text):
    if not made.spans(text):
        return
    imp = made.importance(made.trace(text, text))
    for write in (shaded_texts_html, shaded_texts_latex):
        assert write(imp).encode("utf-8")
    ET.fromstring(shaded_texts_svg(imp).data)
    body = re.sub(r"(?<!\\)%.*", "", shaded_texts_latex(imp))
    bare = re.sub(r"\\[{}\\]", "", body)
    assert bare.count("{") == bare.count("}") and not re.search(
        r"(?<!\\)[$&_^~#](?![\d}~])", bare.replace("~", "")[len(bare) // 2 :]
    )


def test_signs_of_latex_are_escaped():
    assert latex_text(r"\a{b}$c$ 5% #1 x_y ~^ <|>") == (
        r"\textbackslash{}a\{b\}\$c\$ 5\% \#1 x\_y \textasciitilde{}\textasciicircum{} "
        r"\textless{}\textbar{}\textgreater{}"
    )
    assert latex_text("--''") == r"-{}-{}\textquotesingle{}\textquotesingle{}"


def test_latex_names_the_engine_that_its_letters_need():
    plain, more = (shaded_texts_latex(made.importance(made.trace(t, "ok"))) for t in ("plain words", SCRIPTS))
    assert "Engine: pdfLaTeX" in plain and "Engine: LuaLaTeX" in more and "Right-to-left" in more
    assert r"\usepackage{xcolor}" in plain.split("\n")[0]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
@pytest.mark.parametrize("text", ["Answer in one word: why?", HOSTILE.replace("\u202e", "")])
def test_latex_compiles(tmp_path, text):
    body = shaded_texts_latex(made.importance(made.trace(text, "four five")), PickedSpan("answer", 0, 1))
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{xcolor}\begin{document}"
    (tmp_path / "a.tex").write_text(f"{head}\n{body}\\end{{document}}\n", "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_missing_letters_are_told():
    rare = "\U00014400\U00012000"
    assert shaded_texts_png(made.importance(made.trace(rare, "ok"))).note == missing_note({"text": rare})


def test_a_span_that_is_not_there_is_refused_and_a_page_cuts_it():
    with pytest.raises(ValueError, match="there are 2 and 3"):
        shaded_sheet(known(), PickedSpan("answer", 1, 9))
    files = {
        label: make for label, make, *_ in shaded_text_files(known(), {"side": "answer", "start": 1, "end": 9}, "")
    }
    assert list(files) == list(TEXT_FORMATS) and r"\heedpicked{five}" in files["LaTeX"]()
    assert isinstance(files["PNG"](), bytes)


def test_scores_and_nats_are_named():
    nats = shaded_sheet(replace(known(), unit="nats", sums_to_one=False))
    assert nats.full == "0.200 nats" and nats.scale == "nats of the answer's log-probability"
