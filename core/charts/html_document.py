"""The frame of Heed's self-contained HTML files: no server, nothing is fetched, only their own style and script run.

A strict content policy stands in each file and names the hashes of its one style and one script. Data travels as a JSON
block with every ``<`` escaped. Guarded by tests/core/test_charts_html_page.py and test_findings_report.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from .text_labels import plain_text


def html_document(title: str, body: str, style: str, script: str = "", data: Any = None) -> str:
    """The whole file as text. ``body`` is HTML that is safe already; ``script`` finds ``data`` in block ``#data``."""
    allowed = f"script-src '{_source_hash(script)}'; " if script else ""
    policy = (
        f"default-src 'none'; {allowed}style-src '{_source_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    text = plain_text(title)
    return str(
        _template().render(title=text, body=body, style=style, script=script, policy=policy, data=json_block(data))
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    found = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, keep_trailing_newline=True)
    return found.get_template("document.html")


def html_text(text: str) -> str:
    """Any text as HTML: control characters and bidi overrides made visible or taken out, signs escaped."""
    return escape(plain_text(text))


def html_picture(chart: Any, description: str = "") -> str:
    """An Altair chart (or its dict) as a picture inside the file; ``description`` where the chart brings none."""
    from .picture_files import svg

    spec = chart if isinstance(chart, dict) else chart.to_dict(validate=False)
    picture = base64.b64encode(svg(spec).data).decode()
    said = str(spec.get("description", description))
    return f'<img alt="{html_text(said)}" src="data:image/svg+xml;base64,{picture}">'


def json_block(data: Any) -> str:
    """JSON that cannot end the script block it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode("utf-8")


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
