"""Draws an Importance, a Comparison and a Probe as HTML for notebooks: shaded texts and a heatmap, without a server.

Records call this from ``_repr_html_``, the one place where a record knows of charts. An Importance is Heed's exported
page in a frame: clicking a word of the answer shades what it read. The other two are plain HTML with pictures. Guarded
by tests/core/test_charts_notebook_html.py, in a real browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import regex

from ..importance.reading_summary import answer_rows, own_columns, reading_sentence
from ..records import Comparison, Importance, Probe
from .aligned_heatmaps import heatmap_by_run
from .column_captions import share_of_units, units_of, what_each_has
from .crop import crop_importance
from .drawable import any_size_heatmap
from .effect_heatmap import HIDDEN, effect_heatmap, effect_words
from .html_document import html_document, html_picture, html_text
from .html_page import KEYS, caveat, heat_data, page_script, page_style, reader_data
from .shaded_html import shaded_spans
from .shaded_sheet import ShadedWord
from .text_labels import legend_title, settings_line, value_text
from .token_heatmap import fits_as_cells
from .word_differences import difference_chart

BLUE, ORANGE = "37,99,235", "217,115,13"
STRONGEST = 0.6
"""Opacity of the strongest shade, on which text stays legible in light and in dark notebooks."""
_JOINS = regex.compile(r"^[\p{Po}\p{Pe}\p{Pf}\p{Han}\p{Hiragana}\p{Katakana}]")
_FRAME_STYLE = "main { padding: 0.4rem 0.3rem; } h1 { font-size: 1.1rem; }"
_FIT = (
    "const f=this,d=f.contentDocument;setTimeout(()=>{f.style.height=d.querySelector('main').offsetHeight+16+'px'},300)"
)


def importance_html(importance: Importance) -> str:
    """Returns a page in a frame: both texts, with stepping, and the heatmap of the user's own words."""
    rows, own = answer_rows(importance), own_columns(importance)
    length = importance.known_tokens.prompt_length
    drawn = crop_importance(importance, rows, own) if len(own) and len(rows) else importance
    data: dict[str, Any] = {"reader": reader_data(importance)}
    if fits_as_cells(drawn):
        data["heat"] = heat_data(drawn, length)
        heat = '<div class="heat" id="heat"></div>'
    else:
        heat = f"<figure>{html_picture(any_size_heatmap(drawn, length))}</figure>"
    body = f"""<p class="sub">{html_text(importance.model)}</p>
<p class="sub">{html_text(settings_line(importance))}</p>
<p class="sentence" dir="auto">{html_text(reading_sentence(importance, rows, "the whole answer"))}</p>
<div class="heed-reader" id="reader"></div>
<p class="keys">{KEYS}</p>
{heat}
<p class="sub">{html_text(caveat(importance.unit))}</p>"""
    page = html_document("What the model read", body, page_style() + _FRAME_STYLE, page_script(), data)
    style = f"width:100%;height:{480 + min(20 * len(rows), 400)}px;border:0"
    return f'<iframe title="What was read" srcdoc="{escape(page)}" onload="{escape(_FIT)}" style="{style}"></iframe>'


def comparison_html(comparison: Comparison) -> str:
    """Returns each run's words on one scale, a row per run over the aligned words, and of two runs the difference."""
    letters = [chr(ord("A") + run) for run in range(len(comparison.models))]
    values, kinds = share_of_units(comparison), units_of(comparison)
    high = float(np.nanmax(values, initial=0.0)) or 1.0
    hover = [what_each_has(comparison, unit) for unit in range(len(comparison.units))]
    parts = []
    for run, caption in enumerate(comparison.models):
        column = comparison.units.column[run]
        shown = [int(unit) for unit in np.argsort(column, kind="stable") if column[unit] >= 0]
        texts = [comparison.units.texts[run][unit].strip() or "·" for unit in shown]
        strengths = [float(np.nan_to_num(values[run, unit])) / high for unit in shown]
        words = zip(texts, _guessed_gaps(texts), strengths, [hover[unit][run] for unit in shown], strict=True)
        beside = [f"{name} {value_text(float(share[run]), kinds[run])}" for name, share in comparison.shares.items()]
        parts.append(_part(f"{letters[run]} · {caption}", (ShadedWord(*word) for word in words), " · ".join(beside)))
    line = f"{legend_title(kinds[0])}, mean over each answer; full shade: {value_text(high, kinds[0])}"
    charts = [heatmap_by_run(comparison, names=letters)]
    if len(letters) == 2:
        charts.append(difference_chart(comparison, 0, 1, letters))
    return _block("What each run read", line, parts, charts)


def probe_html(probe: Probe) -> str:
    """Returns the prompt shaded by what the whole answer loses without each unit, and each of its tokens by units."""
    words, own, high = effect_words(probe)
    line = (
        f"{HIDDEN[probe.mode]}; summed over the answer's {len(probe.base)} tokens; full shade: {high:.2f} nats; "
        "orange: the answer is less likely without it, blue: more likely"
    )
    chart = effect_heatmap(probe, np.array(own, int))
    return _block(
        "What the answer loses without each part", line, [_part(probe.model, words, "", signed=True)], [chart]
    )


def _block(head: str, line: str, parts: Sequence[str], charts: Sequence[Any]) -> str:
    drawn = "".join(f'<div style="background:#fff;overflow:auto;margin:8px 0">{html_picture(c)}</div>' for c in charts)
    return (
        f'<div style="max-width:76rem;line-height:1.7"><b>{html_text(head)}</b><br>'
        f"<small>{html_text(line)}</small>{''.join(parts)}{drawn}</div>"
    )


def _part(head: str, words: Iterable[ShadedWord], below: str, signed: bool = False) -> str:
    """One text. ``signed``: above 0 is orange, below is blue; else all is blue."""

    def look(word: ShadedWord) -> str:
        colour = ORANGE if signed and word.strength > 0 else BLUE
        opacity = STRONGEST * min(1.0, abs(word.strength))
        return f'style="background:rgba({colour},{opacity:.3f});border-radius:3px;padding:1px"'

    text = f'<span dir="auto" style="white-space:pre-wrap">{shaded_spans(words, look)}</span>'
    return (
        f'<p style="margin:8px 0"><small>{html_text(head)}</small><br>{text}<br><small>{html_text(below)}</small></p>'
    )


def _guessed_gaps(texts: Sequence[str]) -> list[str]:
    """Spaces between words whose positions are not known: none before closing punctuation and East Asian signs."""
    return ["" if n == 0 or _JOINS.match(text) else " " for n, text in enumerate(texts)]
