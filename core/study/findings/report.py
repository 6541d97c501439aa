"""Writes the findings of a study as one self-contained HTML file: sentences, figures, tables, methods.

Nothing is fetched and no script runs. Figures are pictures inside the file (SVG), each with what it shows and what it
does not; texts of prompts and models are escaped. Outcomes come first, as on the page. Guarded by
tests/core/test_findings_report.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...charts.html_document import html_document, html_picture, html_text
from ...charts.text_labels import significant_digits
from ...importance.methods import DEFAULT_METHOD
from ...version import __version__
from ..column_labels import (
    CAUSAL,
    column_description,
    column_label,
    features_of,
    metrics_of,
    model_label,
    structure_label,
    task_label,
)
from ..quality.metrics import outcome_metrics
from .figures import (
    ABOUT_ESTIMANDS,
    ESTIMANDS,
    StudyFigure,
    correlation_figure,
    cut_off_figure,
    forest_figure,
    scatter_figure,
    structure_figure,
)
from .figures import prediction_figure as predicted
from .judge_summary import judge_sentences
from .overview import first_shown, overview_table
from .pair_sentences import pair_sentence
from .sample_size import count_sample
from .steering_views import (
    ABOUT_STEERING,
    STEERING_HEADING,
    dose_figure,
    moves_table,
    price_table,
    steering_table,
    steering_tasks,
)

if TYPE_CHECKING:
    import pandas as pd

    from .record import Findings
    from .source import OpenedStudy

STYLE = (Path(__file__).parent / "report.css").read_text("utf-8")
MOST_QUALITY_FIGURES = 2
"""Number of quality values with figures of their own (of importance: one); all are in the tables."""
ASKED = (("mean", "mean"), ("difference", "difference"), ("net", "net_difference"))
"""(question, the column that answers it) of those figures."""
ROWS = 400
"""Most rows of a table in the report; the rest is in the downloads."""
ShownPair = tuple[str, str, str]


def report_html(
    opened: OpenedStudy, found: Findings, *, filters: str = "", pair: ShownPair | None = None, title: str = ""
) -> str:
    """Returns the report as HTML. ``filters`` in words; ``pair`` (estimand, feature, metric) gets its own figures."""
    name = title or f"Findings: {opened.name}"
    sections = list(_sections(opened, found, pair))
    links = "".join(f'<a href="#part-{i}">{html_text(head)}</a>' for i, (head, _) in enumerate(sections))
    body = "\n".join(f'<h2 id="part-{i}">{html_text(head)}</h2>\n{text}' for i, (head, text) in enumerate(sections))
    return html_document(name, f"{_head(opened, filters)}\n<nav>{links}</nav>\n{body}", STYLE)


def _sections(opened: OpenedStudy, found: Findings, pair: ShownPair | None) -> Iterator[tuple[str, str]]:
    """Yields (heading, HTML) in the order of the page."""
    yield "What was asked, and how many", _asked(opened, found)
    if len(found.quality):
        yield "Quality by structure, task and model", _quality(found)
    for kind, head in (("attention", "Attention by structure"), ("effects", "Knock-outs by structure")):
        table = getattr(found, kind)
        if len(table):
            yield head, _by_structure(table, kind)
    for estimand in ESTIMANDS:
        table = getattr(found, f"correlations_{estimand}")
        if len(table):
            yield f"Importance against quality, {ESTIMANDS[estimand].lower()}", _against(opened, found, estimand, pair)
    if len(found.doses):
        yield STEERING_HEADING, _steered(found)
    if len(found.prediction):
        yield "Predicting success", _prediction(found)
    yield "Methods", _paragraphs(found.methods_text) + _glossary(opened.runs)


def _head(opened: OpenedStudy, filters: str) -> str:
    plan = f" · plan {opened.plan.id[:12]}" if opened.plan is not None else ""
    lines = [f"Heed {__version__}{plan} · table {opened.version}"]
    lines += [f"Only these runs: {filters}"] if filters else []
    return "\n".join(f'<p class="sub">{html_text(line)}</p>' for line in lines)


def _asked(opened: OpenedStudy, found: Findings) -> str:
    count = count_sample(opened.runs, opened.steered_count)
    numbers = "".join(f"<li>{html_text(label)}<b>{html_text(value)}</b></li>" for label, value, _ in count.numbers)
    short = "".join(f"<li>{html_text(line)}</li>" for line in found.sentences)
    models = ", ".join(model_label(m) for m in opened.runs["model"].unique())
    asked = ", ".join(structure_label(s) for s in opened.runs["structure"].unique())
    tasks = ", ".join(task_label(t) for t in opened.runs["task"].unique())
    out = [f'<ul class="counts">{numbers}</ul>', f'<ul class="short">{short}</ul>' if short else ""]
    out.append(f"<p>Models: {html_text(models)}. Tasks: {html_text(tasks)}. Structures: {html_text(asked)}.</p>")
    out += [f'<p class="note">{html_text(line)}</p>' for line in (*count.sentences, *judge_sentences(opened.runs))]
    out.append(_figure(cut_off_figure(found.cells)) if len(found.cells) else "")
    return "\n".join(filter(None, out))


def _quality(found: Findings) -> str:
    tables: dict[str, tuple[Any, str]] = {"Quality": (found.quality, _first(found.quality, "quality")[0])}
    for kind, head in (("attention", "Attention"), ("effects", "Knock-out")):
        if len(getattr(found, kind)):
            tables[head] = (getattr(found, kind), _first(getattr(found, kind), kind)[0])
    return _table(overview_table(tables)) + _by_structure(found.quality, "quality")


def _by_structure(table: pd.DataFrame, kind: str) -> str:
    out = []
    for value in _first(table, kind):
        own = table[table["value"] == value]
        base = own.loc[own["baseline"].astype(bool), "structure"]
        name = str(base.iloc[0]) if len(base) else ""
        for ask, column in ASKED:
            if own[column].notna().any() and (kind == "quality" or ask != "difference"):
                out.append(_figure(structure_figure(table, value, ask, name)))  # type: ignore[arg-type]
    return "\n".join(out)


def _first(table: pd.DataFrame, kind: str) -> list[str]:
    """Returns the values of one kind that get a figure."""
    return first_shown(table["value"])[: MOST_QUALITY_FIGURES if kind == "quality" else 1]


def _against(opened: OpenedStudy, found: Findings, estimand: str, pair: ShownPair | None) -> str:
    table = getattr(found, f"correlations_{estimand}")
    every = metrics_of(table["metric"].unique())
    metrics = [m for m in every if m in outcome_metrics(every, variants=True)] or every
    out = [f"<p>{html_text(ABOUT_ESTIMANDS[estimand])}</p>"]
    for group in (CAUSAL, DEFAULT_METHOD):
        features = features_of(table["feature"].unique(), group)
        if features:
            out.append(_figure(correlation_figure(table, features, metrics, estimand)))
    wanted = list(found.forests) if estimand == "between" else []
    own = (pair[1], pair[2]) if pair is not None and pair[0] == estimand and pair[1] else None
    for feature, metric in dict.fromkeys([*([own] if own else []), *wanted]):
        out.append(_pair(opened, found, estimand, feature, metric, scatter=(feature, metric) == own or own is None))
    return "\n".join([*out, _correlations(table)])


def _pair(opened: OpenedStudy, found: Findings, estimand: str, feature: str, metric: str, scatter: bool) -> str:
    from .pair_sentences import forest_of_pair

    table = getattr(found, f"correlations_{estimand}")
    row = table[(table["feature"] == feature) & (table["metric"] == metric)]
    own = None if row.empty else row.iloc[0].to_dict()
    names = column_label(feature), column_label(metric)
    out = [f"<h3>{html_text(names[0])} and {html_text(names[1])}</h3>"]
    out.append(f"<p>{html_text(pair_sentence(own, *names, estimand))}</p>")
    runs = opened.runs[~opened.runs["control"]]
    if feature not in runs or metric not in runs or runs[[feature, metric]].dropna().empty:
        return "\n".join(out)
    forest = found.forests.get((feature, metric)) if estimand == "between" else None
    forest = forest_of_pair(runs, feature, metric, estimand) if forest is None else forest
    out.append(_figure(forest_figure(forest, feature, metric, estimand)))
    if scatter:
        out.append(_figure(scatter_figure(runs, feature, metric, estimand=estimand)))
    return "\n".join(out)


def _steered(found: Findings) -> str:
    """Sentences, then for each model the first outcome against the factor, its differences, the price, and moves."""
    told = "".join(f"<li>{html_text(line)}</li>" for line in found.steering_sentences)
    out = [f"<p>{html_text(ABOUT_STEERING)}</p>", f'<ul class="short">{told}</ul>' if told else ""]
    value, task = str(found.doses["value"].iloc[0]), steering_tasks(found.doses)[0]
    for model in dict.fromkeys(found.doses["model"]):
        out.append(f"<h3>{html_text(model_label(str(model)))}</h3>")
        out.append(_figure(dose_figure(found.doses, value, task, str(model))))
        out.append(_table(steering_table(found.doses, found.comparable, value, task, str(model))))
        price = price_table(found.doses, task, str(model))
        out.append(f"<p>The price, against the plain run; ● where q is below 0.05:</p>{_table(price)}")
        moves = moves_table(found.moves, value, str(model)) if len(found.moves) else found.moves
        out.append(f"<p>Goes with (observed), and moves (changed):</p>{_table(moves)}" if len(moves) else "")
    return "\n".join(filter(None, out))


def _correlations(table: pd.DataFrame) -> str:
    keep = ["feature", "metric", "rho", "low", "high", "p", "q", "n", "i2", "primary", "linked", "verdict", "why"]
    own = table[[c for c in keep if c in table]].copy()
    own["feature"], own["metric"] = own["feature"].map(column_label), own["metric"].map(column_label)
    own = own.sort_values("q", kind="stable")
    return f"<details><summary>All {len(own):,} correlations</summary>{_table(own)}</details>"


def _prediction(found: Findings) -> str:
    out = []
    for outcome in dict.fromkeys(found.prediction["outcome"]):
        own = found.prediction[found.prediction["outcome"] == outcome]
        scheme = str(own["scheme"].iloc[0])
        out.append(_figure(predicted(found.prediction, outcome, scheme)))
        if own.loc[own["scheme"] == scheme, "within"].notna().any():
            out.append(_figure(predicted(found.prediction, outcome, scheme, within=True)))
    shown = found.prediction.assign(outcome=found.prediction["outcome"].map(column_label))
    return "\n".join([*out, f"<details><summary>All predictions</summary>{_table(shown)}</details>"])


def _glossary(runs: pd.DataFrame) -> str:
    names = [*metrics_of(runs.columns), *features_of(runs.columns)]
    rows = "".join(
        f"<tr><td>{html_text(column_label(n))}</td><td>{html_text(column_description(n))}</td></tr>" for n in names
    )
    inside = f'<div class="table"><table><tr><th>Name</th><th>What it is</th></tr>{rows}</table></div>'
    return f"<details><summary>What each metric and feature is</summary>{inside}</details>"


def _figure(drawn: StudyFigure) -> str:
    return (
        f'<figure><div class="card">{html_picture(drawn.chart, drawn.title)}</div>'
        f"<figcaption>{html_text(drawn.shows)} {html_text(drawn.not_said)}</figcaption></figure>"
    )


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{html_text(str(c))}</th>" for c in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html_text(_cell(v))}</td>" for v in row) + "</tr>"
        for row in table.head(ROWS).itertuples(index=False)
    )
    more = f'<p class="note">{len(table) - ROWS:,} more rows are in the download.</p>' if len(table) > ROWS else ""
    return f'<div class="table"><table><tr>{head}</tr>{rows}</table></div>{more}'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return significant_digits(value) if math.isfinite(value) else ""
    return "" if value is None else str(value)


def _paragraphs(text: str) -> str:
    return "\n".join(f"<p>{html_text(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
