"""Tests the one-page report of a comparison: the same numbers as the comparison, as HTML and as one page of PDF."""

import re
from html import unescape

import numpy as np
import pytest

from core.charts.comparison_report import comparison_report
from core.charts.html_document import html_text
from core.comparing import compare
from core.records import Probe
from core.text.units import units
from tests.core import comparisons_made_up as compared
from tests.core import traces_made_up as made

WORDS = "The team left the harbour at seven, crossed the bay in calm weather and counted seals on the beach. "


def runs(length=100):
    text = (WORDS * 80).split()[:length]
    return [made.trace(" ".join(text), WORDS * 2, seed=1), made.trace(" ".join([*text, "please"]), WORDS, seed=2)]


def probe(trace, nats):
    cut = units(trace.tokens, "word", range(trace.prompt_length))
    effect = np.zeros((len(cut), trace.steps), np.float32)
    effect[:, 0] = nats
    return Probe(trace.id, cut, np.eye(len(cut), dtype=bool), -effect, np.zeros(trace.steps), "mask", "a model")


def pages(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_every_number_is_the_comparisons():
    traces, words = compared.runs()
    report = comparison_report(traces, words, compared.comparison(), names=compared.NAMES)
    html = unescape(report.html())
    assert "B read more of “Name” (+10.0 points) and less of “fruit” (-20.0 points)" in html
    assert "(-5.00 points)" in html and "A read most" in html
    shades = re.findall(r'<span title="([\d.]+) %[^"]*" class="word  ?(?:c\w+)?">(\w+)<', html)
    expected = np.concatenate([words[0].values.mean(0), words[1].values[0]]) * 100
    assert [float(n) for n, _ in shades] == pytest.approx(expected, rel=6e-3)
    assert [("Spearman (ranks)", "-0.20", "0.40", "0.10")] == [r for r in report.agreement if r[0].startswith("Spear")]
    assert "Only 4 words" not in report.sentences[-1] and "-0.20" in report.sentences[-1]


def test_one_scale_for_all_columns_or_each_its_own():
    traces, words = compared.runs()
    full = {
        shared: [c.sheet.full for c in comparison_report(traces, words, compared.comparison(), shared=shared).columns]
        for shared in (True, False)
    }
    assert full == {True: ["30.0 %", "30.0 %"], False: ["30.0 %", "25.0 %"]}


def test_two_prompts_of_a_hundred_words_are_one_page_also_with_knock_outs():
    traces = runs()
    report = comparison_report(traces, probes=[probe(t, 0.5) for t in traces])
    made_pdf = report.pdf()
    assert made_pdf.data.startswith(b"%PDF") and pages(made_pdf.data) == 1 and made_pdf.note == ""


def test_a_long_text_takes_the_pages_that_it_needs():
    assert pages(comparison_report(runs(1500)).pdf().data) > 1


def test_from_traces_alone_it_says_what_compare_says():
    traces = runs(20)
    report, own = comparison_report(traces), compare(traces, sink="drop")
    spearman = next(g.value for g in own.agreements if g.measure == "spearman")
    assert f"Spearman correlation of {spearman:.2f}" in " ".join(report.sentences)
    assert report.settings["Run"] == f"A: {traces[0].id}; B: {traces[1].id}"
    assert report.sentences[0] == "A and B are answers of one model to different prompts; the answers differ."


def test_knock_outs_stand_there_where_they_are_stored_and_only_of_what_was_written():
    traces = runs(8)
    one = comparison_report(traces, probes=[probe(traces[0], 0.5), None]).columns
    words = [w.text for w in one[0].knock_out.groups[0].words]
    assert words[:3] == ["The", "team", "left"] and "user" not in words
    assert one[1].knock_out is None and "less likely without it" in one[0].knock_out_line


def test_the_file_fetches_nothing_and_runs_nothing():
    hostile = '<img src=x onerror=alert(1)> "] #panic() ['
    traces = [made.trace(hostile, hostile, seed=1), made.trace("other words", "an answer", seed=2)]
    report = comparison_report(traces)
    html = report.html()
    assert "<script" not in html and "<img src=x" not in html and "http://" not in html.replace("http://www.w3.org", "")
    assert "default-src 'none'" in html and html_text("onerror") in html
    assert report.pdf().data.startswith(b"%PDF")


def test_runs_without_a_common_word_claim_no_difference():
    report = comparison_report([made.trace("alpha beta", "yes", seed=1), made.trace("天空 色", "no", seed=2)])
    assert not report.differences and "as much as" not in " ".join(report.sentences)
    assert report.pdf().data.startswith(b"%PDF")


def test_three_columns_have_every_pair():
    report = comparison_report([made.trace(f"one two three {w}", "yes", seed=n) for n, w in enumerate(("a", "b", "c"))])
    assert {row[0] for row in report.agreement[1:]} == {"A and B", "A and C", "B and C"}
    assert len(report.differences) == 2 and pages(report.pdf().data) >= 1
