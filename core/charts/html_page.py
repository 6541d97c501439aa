"""One self-contained HTML file: the texts, the heatmap, the sentence, the settings; no server, no network.

The script writes the data by textContent, so that a token like ``</script>`` stays text. The heatmap is drawn on a
canvas by page.js, since a chart library would make the file a megabyte larger. Guarded by
tests/core/test_charts_html_page.py, in a real browser.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..records import Importance, Trace
from .html_document import html_document, html_picture, html_text
from .shaded_texts import component_source, shaded_texts_data
from .text_labels import (
    VIRIDIS,
    earlier_output,
    legend_title,
    settings_line,
    step_names,
    token_range,
    visible_label,
)

CHARTS_FOLDER = Path(__file__).parent
SHARES_NOT_SAID = (
    "This is direct reading by the answer's tokens: how attention was spread at the step of each. "
    "It does not show what passed through other tokens on the way, and it is not a cause."
)
NATS_NOT_SAID = (
    "These are nats of the answer's log-probability: the model was run again for them. What was computed for the whole "
    "answer at once is spread evenly over its words."
)
KEYS = "Arrow keys step through the answer, Escape shows the whole answer; in the heatmap they move from cell to cell."


def caveat(unit: str) -> str:
    """Returns what a picture of values in ``unit`` does not say."""
    return NATS_NOT_SAID if unit == "nats" else SHARES_NOT_SAID


def to_html(
    trace: Trace,
    importance: Importance,
    charts: Sequence[Any] = (),
    *,
    words: Importance | None = None,
    sentence: str = "",
    not_said: str | None = None,
    title: str = "What the model read",
    inputs: str = "own",
    over: Mapping[str, Any] | None = None,
) -> str:
    """The page as text. ``importance`` is drawn as the heatmap, ``words`` (default: the same) as the two texts.

    ``charts`` are Altair charts, put in as pictures. ``inputs`` and what is laid ``over`` the texts
    (``beside_text``, ``marks``, ``tint``) as in ``shaded_texts_data``.
    """
    data = {
        "reader": reader_data(words or importance, inputs, over or {}),
        "heat": heat_data(importance, trace.prompt_length),
    }
    lines = (importance.model, settings_line(importance))
    head = "".join(f'<p class="sub">{html_text(line)}</p>' for line in lines)
    body = f"""{head}
<p class="sentence" dir="auto">{html_text(sentence)}</p>
<noscript>This page draws its texts with a script inside the file; please allow it.</noscript>
<div class="heed-reader" id="reader"></div>
<p class="keys">{KEYS}</p>
<h2>Token association heatmap</h2>
<div class="heat" id="heat"></div>
{"".join(f"<figure>{html_picture(chart)}</figure>" for chart in charts)}
<h2>What this does not say</h2>
<p>{html_text(caveat(importance.unit) if not_said is None else not_said)}</p>
<h2>Settings</h2>
<dl>
{facts_html(run_facts(trace, importance))}
</dl>"""
    return html_document(title, body, page_style(), page_script(), data)


def page_script() -> str:
    """Returns the script of the page: the two texts and the heatmap."""
    return "\n".join((component_source()[0], (CHARTS_FOLDER / "page.js").read_text("utf-8")))


def page_style() -> str:
    """Returns the style of the page."""
    return "\n".join((component_source()[1], (CHARTS_FOLDER / "page.css").read_text("utf-8")))


def _floats(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def reader_data(words: Importance, inputs: str = "own", over: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns the data of the two texts, with token positions by which the heatmap frames a picked word."""
    data = shaded_texts_data(words, inputs="all" if inputs == "all" else "own", **(over or {}))
    first, last = token_range(words.rows)
    for unit, a, b in zip(data["answer"]["units"], first, last, strict=True):
        unit["s"] = [int(a), int(b)]
    return data


def heat_data(importance: Importance, prompt_length: int) -> dict[str, Any]:
    """Returns the data of the heatmap on the page."""
    later = earlier_output(importance, prompt_length)
    order = np.argsort(later, kind="stable")
    first, last = token_range(importance.rows)
    values = importance.values[:, order]
    high = float(values.max(initial=0.0)) or 1.0
    rows, columns = len(importance.rows), len(order)
    return {
        "rows": [visible_label(t) for t in importance.rows.labels],
        "columns": [visible_label(importance.columns.labels[c], 40) for c in order],
        "short": [visible_label(importance.columns.labels[c], 16) for c in order],
        "inputs": int((~later).sum()),
        "values": _floats(values),
        "uniform": _floats(importance.uniform[:, order]),
        "steps": step_names(importance, prompt_length),
        "rowSpans": [[int(a), int(b)] for a, b in zip(first, last, strict=True)],
        "unit": importance.unit,
        "legend": legend_title(importance.unit, importance.method),
        "maximum": high,
        "palette": list(VIRIDIS),
        "description": f"Heatmap of {rows} pieces of the answer on {columns} pieces of input: "
        f"{legend_title(importance.unit, importance.method)}. Arrow keys move from cell to cell.",
    }


def run_facts(trace: Trace, importance: Importance) -> dict[str, str]:
    """Returns {name: value} of the model, the prompt, how the answer came about, how it is looked at, and versions."""
    request, model = trace.request, trace.model
    drawn = "greedy" if request.temperature == 0 else f"temperature {request.temperature:g}, top-p {request.top_p:g}"
    by = f" (written by {request.author})" if request.author else ""
    answer = f"given{by}, read by this model" if request.scored else f"{drawn}, at most {request.max_new_tokens} tokens"
    facts = {
        "Model": model.caption,
        "Weights": model.source,
        "Fingerprint": model.key.fingerprint,
        "Prompt": "chat messages" if request.messages else "raw text",
        "Answer": answer,
        "Finished": trace.finish,
        "Attention": settings_line(importance),
        "Tokens": f"{trace.prompt_length} before the answer, {trace.steps} in it",
        "Versions": ", ".join(f"{name} {version}" for name, version in request.versions),
        "Made": trace.created,
        "Run": trace.id,
        "Notes": " ".join((*model.notes, *trace.notes, *importance.notes)),
    }
    return {name: str(value) for name, value in facts.items() if value}


def facts_html(facts: Mapping[str, str]) -> str:
    """Returns the facts as entries of a definition list."""
    return "\n".join(f"<dt>{html_text(name)}</dt><dd>{html_text(value)}</dd>" for name, value in facts.items())
