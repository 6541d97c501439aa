"""Sets a comparison report as one HTML file and as one A4 page of PDF, from the same numbers.

No script and no network in either. Guarded by tests/core/test_charts_comparison_report.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .agreement_dots import NOT_FAITHFUL
from .html_document import html_document, html_picture, html_text
from .html_page import facts_html
from .picture_files import PictureFile, missing_note, svg
from .shaded_files import text_json
from .shaded_html import isolated_html, text_html
from .shaded_sheet import SHADE, ShadedSheet, ShadedText, ShadedWord, mixed_colour
from .typst_files import typeset

STYLE = (Path(__file__).parent / "comparison_page.css").read_text("utf-8")
CAUTION = f"{NOT_FAITHFUL[0].upper()}{NOT_FAITHFUL[1:]}."
SIZES = (9.0, 8.4, 7.8, 7.2)
"""Type sizes of the PDF, tried until it is one page; a report that never is takes the second."""


@dataclass(frozen=True)
class ReportColumn:
    """One run of the report."""

    name: str
    sheet: ShadedSheet
    knock_out: ShadedText | None = None
    knock_out_line: str = ""


@dataclass(frozen=True)
class ComparisonReport:
    """Everything that the page says, before it is set."""

    title: str
    sentences: tuple[str, ...]
    columns: tuple[ReportColumn, ...]
    differences: tuple[tuple[str, dict[str, Any]], ...]
    """(title, chart) of each column but the first against the first."""
    agreement: tuple[tuple[str, ...], ...]
    """Rows of a table, its head first."""
    settings: Mapping[str, str]
    notes: tuple[str, ...]

    def html(self) -> str:
        """Returns one file that needs no network; its numbers appear on hover."""
        used = {
            mixed_colour(w.strength, t.signed) for t in self._texts() for g in t.groups for w in g.words if w.strength
        }
        shades = "\n".join(f".c{colour[1:]} {{ background: {colour}; }}" for colour in sorted(used))
        said = "".join(f"<li>{html_text(line)}</li>" for line in self.sentences)
        columns = "".join(f"<section><h2>{html_text(c.name)}</h2>{_column_html(c)}</section>" for c in self.columns)
        charts = "".join(
            f"<figure><h2>{html_text(title)}</h2>{html_picture(chart)}</figure>" for title, chart in self.differences
        )
        table = f"<section><h2>Agreement</h2>{_table_html(self.agreement)}<p>{html_text(CAUTION)}</p></section>"
        notes = "".join(f"<p>{html_text(note)}</p>" for note in self.notes)
        body = (
            f'<ul class="said">{said}</ul><div class="row n{len(self.columns)}">{columns}</div>'
            f'<div class="row n2">{charts}{table if self.agreement else ""}</div>'
            f'<div class="small"><h2>Settings</h2><dl>{facts_html(self.settings)}</dl>{notes}</div>'
        )
        return html_document(self.title, body, f"{STYLE}\n{shades}")

    def pdf(self) -> PictureFile:
        """Returns the report as PDF with embedded fonts: one A4 page, in smaller type where that makes it one."""
        data = self._data()
        size = next((s for s in SIZES if len(typeset("comparison_report", data | {"size": s}, "svg")) == 1), SIZES[1])
        made = typeset("comparison_report", data | {"size": size}, "pdf")[0]
        words = "".join(w.text for t in self._texts() for g in t.groups for w in g.words)
        return PictureFile(made, missing_note({"all": words}))

    def _texts(self) -> list[ShadedText]:
        own = [t for c in self.columns for t in c.sheet.texts]
        return own + [c.knock_out for c in self.columns if c.knock_out is not None]

    def _data(self) -> dict[str, Any]:
        """The report as its template takes it."""
        columns = [
            {
                "name": c.name,
                "texts": [text_json(t) for t in c.sheet.texts],
                "scale": c.sheet.scale,
                "full": c.sheet.full,
                "shade": SHADE,
                "highest": c.sheet.highest,
                "knock_out": None if c.knock_out is None else text_json(c.knock_out),
                "knock_out_line": c.knock_out_line,
            }
            for c in self.columns
        ]
        charts = [{"title": title, "svg": svg(chart).data.decode()} for title, chart in self.differences]
        return {
            "title": self.title,
            "sentences": self.sentences,
            "columns": columns,
            "charts": charts,
            "agreement": self.agreement,
            "not_faithful": CAUTION,
            "settings": list(self.settings.items()),
            "notes": self.notes,
        }


def _column_html(column: ReportColumn) -> str:
    """A column's texts, what their shade means, the highest values, and the knock-out."""
    sheet = column.sheet
    out = [f"<h3>{html_text(text.title)}</h3>{_marked(text)}" for text in sheet.texts]
    if sheet.full:
        out.append(f'<p>{html_text(sheet.scale)}: 0 <span class="bar"></span> {html_text(sheet.full)}</p>')
    out.append(f"<p>{isolated_html(sheet.highest)}</p>")
    if column.knock_out is not None:
        out.append(f"<h3>{html_text(column.knock_out.title)}</h3>{_marked(column.knock_out)}")
        out.append(f"<p>{html_text(column.knock_out_line)}</p>")
    return "\n".join(out)


def _marked(text: ShadedText) -> str:
    """A text whose shades are classes, since the file's content policy knows no styles of single words."""

    def look(word: ShadedWord) -> str:
        shade = f" c{mixed_colour(word.strength, text.signed)[1:]}" if word.strength else ""
        return f'class="word {word.kind}{shade}"'

    return text_html(text, look, 'class="text"', 'class="head"')


def _table_html(rows: tuple[tuple[str, ...], ...]) -> str:
    cells = [
        "".join(f"<{tag}>{html_text(cell)}</{tag}>" for cell in row)
        for row, tag in zip(rows, ("th", *["td"] * len(rows)), strict=False)
    ]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in cells) + "</table>"
