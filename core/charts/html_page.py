"""One self-contained HTML file: the texts, the heatmap, the sentence, the settings; no server, no network.

A strict content policy stands in the file: nothing is fetched, and only the one script and the one style whose
hashes it names may run. The data is a JSON block with every ``<`` escaped, and the script writes it by textContent,
so that a token like ``</script>`` stays text. The heatmap is drawn on a canvas by page.js, since a chart library
would make the file a megabyte larger. Guarded by tests/core/test_charts_html_page.py, in a real browser.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..records import Importance, Trace
from .shaded_texts import component_source, shaded_texts_data
from .text_labels import (
    VIRIDIS,
    earlier_output,
    legend_title,
    plain_text,
    settings_line,
    step_names,
    token_range,
    visible_label,
)

CHARTS_FOLDER = Path(__file__).parent
NOT_SAID = (
    "This is direct reading by the answer's tokens: how attention was spread when each of them was written. "
    "It does not show what passed through other tokens on the way, and it is not a cause."
)
KEYS = "Arrow keys step through the answer, Escape shows the whole answer; in the heatmap they move from cell to cell."


def to_html(
    trace: Trace,
    importance: Importance,
    charts: Sequence[Any] = (),
    *,
    words: Importance | None = None,
    sentence: str = "",
    not_said: str = NOT_SAID,
    title: str = "What the model read while it answered",
    inputs: str = "own",
    over: Mapping[str, Any] | None = None,
) -> str:
    """The page as text. ``importance`` is drawn as the heatmap, ``words`` (default: the same) as the two texts.

    ``charts`` are Altair charts, put in as pictures. ``inputs`` and what is laid ``over`` the texts
    (``beside_text``, ``marks``, ``tint``) as in ``reader_data``.
    """
    texts = _with_spans(trace, words or importance, inputs, over or {})
    data = {"reader": texts, "heat": _heat(importance, trace.prompt_length)}
    script = "\n".join((component_source()[0], (CHARTS_FOLDER / "page.js").read_text("utf-8")))
    style = "\n".join((component_source()[1], (CHARTS_FOLDER / "page.css").read_text("utf-8")))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    lines = (importance.model, settings_line(importance))
    head = "".join(f'<p class="sub">{escape(plain_text(line))}</p>' for line in lines)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Heed: {escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{head}
<p class="sentence" dir="auto">{escape(plain_text(sentence))}</p>
<noscript>This page draws its texts with a script inside the file; please allow it.</noscript>
<div class="heed-reader" id="reader"></div>
<p class="keys">{KEYS}</p>
<h2>Token association heatmap</h2>
<div class="heat" id="heat"></div>
{_figures(charts)}
<h2>What this does not say</h2>
<p>{escape(not_said)}</p>
<h2>Settings</h2>
<dl>
{_settings(trace, importance)}
</dl>
</main>
<script type="application/json" id="data">{_json(data)}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:
    """JSON that cannot end its script block."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")


def _floats(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _with_spans(trace: Trace, words: Importance, inputs: str, over: Mapping[str, Any]) -> dict[str, Any]:
    """Reader data whose answer units know their token positions, so that the heatmap can frame them."""
    data = shaded_texts_data(trace, words, inputs="all" if inputs == "all" else "own", **over)
    first, last = token_range(words.rows)
    for unit, a, b in zip(data["answer"]["units"], first, last, strict=True):
        unit["s"] = [int(a), int(b)]
    return data


def _heat(importance: Importance, prompt_length: int) -> dict[str, Any]:
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
        "legend": legend_title(importance.unit),
        "maximum": high,
        "palette": list(VIRIDIS),
        "description": f"Heatmap of {rows} pieces of the answer on {columns} pieces of input: "
        f"{legend_title(importance.unit)}. Arrow keys move from cell to cell.",
    }


def _figures(charts: Sequence[Any]) -> str:
    from .picture_files import svg

    out = []
    for chart in charts:
        picture = base64.b64encode(svg(chart).data).decode()
        said = chart.get("description", "") if isinstance(chart, dict) else chart.to_dict().get("description", "")
        out.append(f'<figure><img alt="{escape(said)}" src="data:image/svg+xml;base64,{picture}"></figure>')
    return "\n".join(out)


def _settings(trace: Trace, importance: Importance) -> str:
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
        "Tokens": f"{trace.prompt_length} read before the answer, {trace.steps} written",
        "Versions": ", ".join(f"{name} {version}" for name, version in request.versions),
        "Made": trace.created,
        "Run": trace.id,
        "Notes": " ".join((*model.notes, *trace.notes, *importance.notes)),
    }
    rows = [f"<dt>{k}</dt><dd>{escape(plain_text(str(v)))}</dd>" for k, v in facts.items() if v]
    return "\n".join(rows)
