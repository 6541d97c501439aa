"""Sets the texts of a Vega figure anew, with Typst: every script shaped, every font embedded.

What draws SVG in vl-convert takes one font for a whole label and places the marks of Devanagari and joined emoji wrong;
for some emoji it can embed no font at all. Typst picks fonts glyph by glyph, shapes them, and embeds them, emoji with
their colours. So the texts are taken out of the SVG, the graphics are embedded as vectors, and the texts are set over
them, at the same baselines. Texts inside a clipped group stay in the graphics. A figure's pixel is 1/96 inch.

Guarded by tests/core/test_charts_figure_text.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np

SVG = "http://www.w3.org/2000/svg"
_STEP = re.compile(r"(\w+)\(([^)]*)\)")
_NUMBER = re.compile(r"-?[\d.]+(?:e-?\d+)?")


def split_figure(svg: bytes) -> dict[str, Any]:
    """Returns a Vega figure in parts: ``width``, ``height``, ``picture`` (SVG text without texts) and ``texts``.

    A text has ``x``, ``y`` (of its baseline, in pixels), ``angle`` (degrees), ``anchor``, ``size``, ``bold``,
    ``italic``, ``fill`` and ``outline`` (``#rrggbbaa``; None: no outline), ``line`` and ``text``.
    """
    for prefix, name in (("", SVG), ("xlink", "http://www.w3.org/1999/xlink")):
        ElementTree.register_namespace(prefix, name)
    root = ElementTree.fromstring(svg.decode())
    texts = list(_taken(root, np.eye(3), 1.0))
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    return {
        "width": width,
        "height": height,
        "picture": ElementTree.tostring(root, encoding="unicode"),
        "texts": texts,
    }


def _taken(node: ElementTree.Element, place: np.ndarray, opacity: float) -> Iterator[dict[str, Any]]:
    """Takes the texts out of ``node`` and yields them, each placed on the page."""
    for child in list(node):
        if child.get("clip-path") or child.get("display") == "none":
            continue
        at = place @ _matrix(child.get("transform", ""))
        seen = opacity * float(child.get("opacity", "1"))
        if child.tag == f"{{{SVG}}}text":
            node.remove(child)
            yield from _lines(child, at, seen)
        else:
            yield from _taken(child, at, seen)


def _lines(node: ElementTree.Element, place: np.ndarray, opacity: float) -> Iterator[dict[str, Any]]:
    """Yields each line of a text element: itself, or its tspans."""
    fill = _colour(node.get("fill", "black"), opacity * float(node.get("fill-opacity", "1")))
    outline = _colour(node.get("stroke", "none"), opacity * float(node.get("stroke-opacity", "1")))
    look = {
        "angle": round(math.degrees(math.atan2(place[1, 0], place[0, 0])), 3),
        "anchor": node.get("text-anchor", "start"),
        "size": _number(node.get("font-size", "11")) * math.hypot(place[0, 0], place[1, 0]),
        "bold": node.get("font-weight", "normal") in ("bold", "bolder", "600", "700", "800", "900"),
        "italic": node.get("font-style", "normal") != "normal",
        "fill": fill or "#00000000",
        "outline": outline,
        "line": _number(node.get("stroke-width", "1")),
    }
    x, y = _number(node.get("x", "0")), _number(node.get("y", "0"))
    for part in [node, *node]:
        text = part.text or ""
        x = _number(part.get("x", str(x)))
        y += _number(part.get("dy", "0"))
        if text.strip() and (fill or outline):
            at = place @ np.array([x, y, 1.0])
            yield {**look, "x": round(float(at[0]), 3), "y": round(float(at[1]), 3), "text": text}


def _matrix(transform: str) -> np.ndarray:
    """Returns the 3 x 3 matrix of an SVG transform of moves, turns and scales."""
    out = np.eye(3)
    for name, inside in _STEP.findall(transform):
        a = [float(v) for v in _NUMBER.findall(inside)]
        step = np.eye(3)
        if name == "translate":
            step[:2, 2] = a[0], a[1] if len(a) > 1 else 0
        elif name == "scale":
            step[0, 0], step[1, 1] = a[0], a[-1]
        elif name == "rotate":
            turn = math.radians(a[0])
            step[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        else:
            raise ValueError(f"A figure's text is placed by {name}, which is not known here.")
        out = out @ step
    return out


def _number(text: str) -> float:
    found = _NUMBER.match(text.strip())
    return float(found[0]) if found else 0.0


def _colour(name: str, opacity: float) -> str | None:
    """Returns a CSS colour as ``#rrggbbaa``; None where nothing would be drawn."""
    from PIL import ImageColor

    if name in ("none", "transparent", "") or name.startswith("url") or opacity <= 0:
        return None
    r, g, b, *a = ImageColor.getrgb(name)
    alpha = round((a[0] if a else 255) * min(opacity, 1.0))
    return f"#{r:02x}{g:02x}{b:02x}{alpha:02x}"
