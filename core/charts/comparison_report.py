"""Gathers a comparison for one page: sentences, shaded texts, difference, agreement, knock-outs, settings.

``comparison_report(traces)`` in a notebook, ``.html()`` and ``.pdf()`` of the result are the files
(comparison_page.py). Every number is one that the page Compare shows. Guarded by
tests/core/test_charts_comparison_report.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..comparing.compare_runs import common_granularity, side_by_side
from ..comparing.comparison_summary import most_read_sentence
from ..importance import DEFAULT_METHOD, answer_mean, answer_rows, explain, group_rows, own_units
from ..records import Comparison, Importance, Probe, Trace
from ..text.display_text import and_list
from .agreement_dots import MEASURE_NAMES
from .answer_effect_bars import answer_words
from .column_captions import check_names, unit_label, unit_of
from .comparison_page import ComparisonReport, ReportColumn
from .effect_heatmap import HIDDEN, effect_words
from .html_page import caveat, run_facts
from .shaded_sheet import ShadedGroup, ShadedText, made_with, shaded_sheet
from .shaded_texts import shown_columns
from .text_labels import significant_digits
from .word_differences import gained_lost_chart, signed_amount

MOST_BARS_A_SIDE = 5
NAMED = 3
"""Words that the sentence on a difference names to each side."""
BRIEF_MEASURES = ("spearman", "cosine", "top-5")
"""Measures of agreement where three and more columns make several pairs."""


def comparison_report(
    traces: Sequence[Trace],
    words: Sequence[Importance] | None = None,
    comparison: Comparison | None = None,
    *,
    method: str = DEFAULT_METHOD,
    granularity: str = "word",
    names: Sequence[str] | None = None,
    probes: Sequence[Probe | None] = (),
    shared: bool = True,
    title: str = "",
) -> ComparisonReport:
    """Gathers a comparison of runs for one page; ``.html()`` and ``.pdf()`` of the result are the files.

    ``words``: an importance a run as the texts show it (sink dropped), ``comparison`` of the same; by default both are
    made by ``method`` and ``granularity``. ``probes``: a knock-out of each run's single words, None where there is
    none. ``shared``: one scale of shade for all columns. Raises MethodError as ``compare``.
    """
    runs = list(traces)
    if words is None or comparison is None:
        level = common_granularity(runs, granularity)
        steps = [explain(t, method, sink="drop", inputs="prompt", granularity=level) for t in runs]
        comparison = side_by_side(runs, steps)
        words = [group_rows(s, answer_words(t)) for s, t in zip(steps, runs, strict=True)]
    names = [f"{chr(65 + n)} · {t.model.reader}" for n, t in enumerate(runs)] if names is None else names
    labels = check_names(comparison, names)
    letters = [label.partition(" · ")[0] for label in labels]
    given = [*probes, *[None] * (len(runs) - len(probes))]
    columns = [
        _column(label, w, trace, probe, top)
        for label, w, trace, probe, top in zip(labels, words, runs, given, _tops(words, shared), strict=True)
    ]
    return ComparisonReport(
        title=title or f"Comparison of {and_list(letters)}: what was read",
        sentences=tuple(_sentences(runs, comparison, letters)),
        columns=tuple(columns),
        differences=tuple(_difference_charts(comparison, labels, letters)),
        agreement=_agreement_rows(comparison, letters),
        settings=_merged_facts([_facts(t, w) for t, w in zip(runs, words, strict=True)], letters),
        notes=(*_lettered(comparison.notes, letters), *dict.fromkeys(caveat(w.unit) for w in words), made_with()),
    )


def _tops(words: Sequence[Importance], shared: bool) -> list[float | None]:
    """The value of full shade in each column: one for all shares and one for all scores; None: the column's own."""
    most = [float(answer_mean(w, answer_rows(w))[0][shown_columns(w)].max(initial=0.0)) for w in words]
    return [
        max(m for m, other in zip(most, words, strict=True) if other.unit == w.unit) or None if shared else None
        for w in words
    ]


def _column(name: str, words: Importance, trace: Trace, probe: Probe | None, top: float | None) -> ReportColumn:
    author = trace.request.author
    title = f"The answer (written by {author}, as read by this model)" if author else "The answer"
    sheet = shaded_sheet(words, sentence="", maximum=top, answer_title=title)
    if probe is None:
        return ReportColumn(name, sheet)
    shaded, variants, high = effect_words(probe)
    own = set(own_units(trace.tokens, probe.units).tolist())  # not the system message that a template added
    kept = [bool(own & set(np.flatnonzero(probe.masks[v]).tolist())) for v in variants]
    shaded = [word for word, mine in zip(shaded, kept, strict=True) if mine]
    shaded[:1] = [word._replace(gap="") for word in shaded[:1]]
    text = ShadedText("What the answer loses without each word", (ShadedGroup("", tuple(shaded)),), signed=True)
    line = (
        f"Each part {HIDDEN[probe.mode]}; nats of log-probability over the answer's {len(probe.base)} tokens; full "
        f"shade: {significant_digits(high)} nats; orange: less likely without it, blue: likelier."
    )
    lost = sorted(((w.strength * high, w) for w in shaded), key=lambda pair: -abs(pair[0]))[:NAMED]
    line += " Largest: " + ", ".join(f"“{w.text}” {w.hover}" for value, w in lost if value) + "."
    return ReportColumn(name, sheet, text, line)


def _sentences(runs: Sequence[Trace], comparison: Comparison, letters: Sequence[str]) -> Iterator[str]:
    """What is compared, what each run read most, the largest differences, and how far the orders agree."""
    if len(runs) > 1:
        yield _what_differs(runs, letters)
    for run, letter in enumerate(letters):
        yield most_read_sentence(comparison, run, letter)
    for b in _comparable(comparison):
        yield _difference_sentence(comparison, b, letters)
    for found in comparison.agreements:
        if found.measure == "spearman" and len(runs) == 2:
            yield (
                f"Over the {found.units} words that both have, the orders agree with a Spearman correlation of "
                f"{significant_digits(found.value, 2)} (the place of a word alone would give "
                f"{significant_digits(found.position, 2)})."
                if np.isfinite(found.value)
                else f"How far the orders agree is undefined: {found.why}"
            )


def _comparable(comparison: Comparison) -> list[int]:
    """The runs that have a word in common with the first."""
    known = np.isfinite(comparison.values)
    return [b for b in range(1, len(known)) if (known[0] & known[b]).any()]


def _what_differs(runs: Sequence[Trace], letters: Sequence[str]) -> str:
    def same(values: Sequence[Any]) -> bool:
        return all(value == values[0] for value in values)

    prompts = same([(t.request.messages, t.request.text, t.request.token_ids) for t in runs])
    answers = same([t.tokens.texts[t.prompt_length :] for t in runs])
    model = "one model" if same([t.model.caption for t in runs]) else "different models"
    return (
        f"{and_list(list(letters))} are answers of {model} to {'the same prompt' if prompts else 'different prompts'}; "
        f"the answers {'are the same' if answers else 'differ'}."
    )


def _difference_sentence(comparison: Comparison, b: int, letters: Sequence[str]) -> str:
    gap = comparison.values[b] - comparison.values[0]
    order = [int(u) for u in np.argsort(-np.nan_to_num(gap), kind="stable") if np.isfinite(gap[u])]
    unit = unit_of(comparison, 0, b)

    def named(units: Sequence[int]) -> str:
        return and_list([f"“{unit_label(comparison, u)}” ({signed_amount(float(gap[u]), unit)})" for u in units])

    more, less = [u for u in order if gap[u] > 0][:NAMED], [u for u in order[::-1] if gap[u] < 0][:NAMED]
    parts = [f"more of {named(more)}"] * bool(more) + [f"less of {named(less)}"] * bool(less)
    who = f"Of the words that both have, {letters[b]} read"
    return f"{who} {' and '.join(parts)} than {letters[0]}." if parts else f"{who} as much as {letters[0]}."


def _difference_charts(
    comparison: Comparison, labels: Sequence[str], letters: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for b in _comparable(comparison):
        chart = gained_lost_chart(comparison, 0, b, letters, most=MOST_BARS_A_SIDE, width=640, narrow=True)
        title = f"Difference: {letters[b]} less {letters[0]} (orange: {letters[b]} read more, blue: {letters[0]})"
        yield title, chart.to_dict(validate=False) | {"title": None}


def _agreement_rows(comparison: Comparison, letters: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    pairs = len(letters) > 2
    rows = [
        (
            *((f"{letters[g.a]} and {letters[g.b]}",) if pairs else ()),
            MEASURE_NAMES.get(g.measure, g.measure),
            *(significant_digits(v, 2) if np.isfinite(v) else "undefined" for v in (g.value, g.position, g.pieces)),
        )
        for g in comparison.agreements
        if (not pairs or g.measure in BRIEF_MEASURES) and (g.units or np.isfinite(g.value))
    ]
    head = (*(("Columns",) if pairs else ()), "Measure", "Value", "Place alone", "Tokens alone")
    return (head, *rows) if rows else ()


def _facts(trace: Trace, words: Importance) -> dict[str, str]:
    facts = run_facts(trace, words)
    return facts | {"Attention": facts["Attention"].rpartition(" · run ")[0]}  # which is a fact of its own


def _lettered(notes: Sequence[str], letters: Sequence[str]) -> list[str]:
    """The comparison's notes with letters for the numbers of runs."""
    return [re.sub(r"^Run (\d+) \(", lambda m: f"Column {letters[int(m[1]) - 1]} (", note) for note in notes]


def _merged_facts(facts: Sequence[Mapping[str, str]], letters: Sequence[str]) -> dict[str, str]:
    """One line a fact: once where all columns have the same, else by letter."""
    out = {}
    for name in dict.fromkeys(name for own in facts for name in own):
        values = [own.get(name, "") for own in facts]
        alike = all(value == values[0] for value in values)
        named = (f"{letter}: {value}" for letter, value in zip(letters, values, strict=True) if value)
        out[name] = values[0] if alike else "; ".join(named)
    return out
