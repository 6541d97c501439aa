"""For papers with long sentences: answer and input as shaded texts, beside them the strongest words as signed bars.

Guarded by tests/core/test_charts_diagrams_sentence_pair_bars.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np

from ...importance import answer_mean, answer_rows
from ...records import Importance
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..shaded_sheet import PICKED, SHADE, ShadedGroup, mixed_colour, shaded_sheet
from ..shaded_texts import shown_columns
from ..text_labels import legend_title, percent_text, settings_line, significant_digits, visible_label
from ..text_layout import placed_words
from ..text_widths import fitting_text, text_width
from .figure_style import NOT_SAID, TWO_COLUMNS
from .pixel_canvas import FAINT, INK, PixelCanvas

MOST_BARS = 12
SIDE_BY_SIDE = 560
"""Width in pixels from which the bars stand beside the texts."""
TEXT_SHARE, BETWEEN = 0.6, 22
"""Part of the width for the texts where bars stand beside them, and pixels between the two."""
TEXT_SIZE, RANK_SIZE, LEGEND_SIZE = 11.0, 7.5, 9.5
LINES = {"answer": 18, "input": 22}
"""Height of a line of each text in pixels; above words of the input stand their ranks."""
BOX, BAR_ROW, HEAD, SWATCH = 8, 18, 20, 18
"""In pixels: half the height of a word's box, heights of a bar's row and a heading, width of a swatch."""
SPACE = "␣"
SEVERAL = "Measured word by word: what several words carry together may not show"
"""What nats do not say."""
BAR_HEIGHT, HOLLOW = 11, "#2f5f9e"
"""Height of a bar in pixels, and the outline of what is below 0."""


@dataclass(frozen=True)
class _Read:
    """What the picked rows read of each shown word of the input."""

    values: np.ndarray
    """float64 [word]"""
    uniform: np.ndarray
    rows: np.ndarray
    limit: float
    """Value of the full shade."""
    unit: str
    order: np.ndarray
    """int [bar]: the words with the largest values, largest first."""

    @property
    def signed(self) -> bool:
        return bool((self.values < 0).any())

    def said(self, value: float) -> str:
        """Returns a value with its unit, below 0 with a minus."""
        if self.unit == "share":
            return percent_text(value)
        return significant_digits(value) if value < 0 or not self.signed else f"+{significant_digits(value)}"


def sentence_pair_bars(
    importance: Importance,
    picked: Sequence[int] | None = None,
    *,
    width: int = TWO_COLUMNS,
    most: int = MOST_BARS,
    inputs: Literal["own", "all"] = "own",
    caption: Sequence[str] = (),
    title: str = "",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws the answer over the input, its words shaded by the mean over the ``picked`` rows, and a ranked bar list.

    ``picked``: rows of the importance (None: the whole answer), framed in the answer. Words of the input are filled in
    proportion to their value; below 0 they are hollow with an outline, as are their bars. The ``most`` strongest bear
    their rank in the text and have a bar beside it (below it in a narrow figure). ``inputs="all"`` also shows markup
    and the template's own message. ``select``: name of a point selection over ``side`` and ``word``, its place.
    Raises ValueError for rows that are not there, and where the importance does not know its texts.
    """
    read = _read(importance, picked, inputs, most)
    sheet = shaded_sheet(importance, None, "", inputs=inputs)
    canvas = PixelCanvas(width, 0)
    beside = width >= SIDE_BY_SIDE
    room = canvas.inner * TEXT_SHARE if beside else canvas.inner
    given, answer = sheet.texts
    top = 0.0
    words: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for text, kind in ((answer, "answer"), (given, "input")):
        heads.append({"x": 0, "y": top + 7, "text": text.title, "colour": FAINT})
        found, named, top = _laid_text(text.groups, kind, top + HEAD - 3, room)
        words, heads, top = [*words, *found], [*heads, *named], top + 8
    _shade(words, read)
    left, begin = (room + BETWEEN, 0.0) if beside else (0.0, top + 6)
    legend, end = _legend(read, picked is not None, top, room)
    if not beside:
        begin = end + 8
    bars = _bars(importance, read, inputs, left, begin, canvas.inner)
    low = max(end, begin + HEAD + BAR_ROW * len(read.order))
    canvas = PixelCanvas(width, round(low + 2, 1))
    frames = _frames(canvas, words, read) if picked is not None else []
    layers = [*_text_marks(canvas, words, select), *frames, *_bar_marks(canvas, bars), *legend(canvas)]
    layers.append(canvas.texts([*heads, {"x": left, "y": begin + 7, "text": _heading(read), "colour": FAINT}], 10))
    name = title or _title(importance, read, picked is not None)
    return canvas.finish(layers, name, [*_lines(importance, read), *caption], f"{name}: {_spoken(bars)}.")


def _read(importance: Importance, picked: Sequence[int] | None, inputs: str, most: int) -> _Read:
    """Returns the mean over the picked rows for each shown word."""
    rows = answer_rows(importance) if picked is None else np.array(sorted({int(row) for row in picked}), int)
    count = len(importance.rows)
    if picked is not None and (not len(rows) or rows[0] < 0 or rows[-1] >= count):
        raise ValueError(f"Rows {list(picked)[:8]} are not all there: pick rows from 0 to {count - 1}.")
    columns = shown_columns(importance, inputs)
    both = answer_mean(importance, rows) if len(rows) else (np.zeros(len(importance.columns)),) * 2
    values, uniform = (np.nan_to_num(v[columns].astype(float)) for v in both)
    limit = float(np.abs(values).max(initial=0.0)) or 1.0
    order = np.argsort(-np.abs(values), kind="stable")[: max(most, 0)]
    return _Read(values, uniform, rows, limit, importance.unit, order[values[order] != 0])


def _laid_text(
    groups: Sequence[ShadedGroup], kind: str, top: float, room: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """Returns records of one text's words, of its headings, and where it ends; ``word`` counts over all groups."""
    words: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    before = 0
    for group in groups:
        if group.head:
            heads.append({"x": 0, "y": top + 7, "text": group.head, "colour": FAINT})
            top += HEAD - 4
        placed, lines = placed_words(group, TEXT_SIZE, room - 5)
        for piece in placed:
            y = round(top + LINES[kind] * (piece.line + 0.5), 1)
            one = {"text": piece.text, "x": round(piece.x + 2.5, 1), "y": y, "w": round(piece.width, 1), "side": kind}
            words.append(one | {"word": before + piece.unit if piece.unit >= 0 else -1, "first": piece.first})
        before += len(group.words)
        top += LINES[kind] * lines
    return words, heads, top


def _shade(words: list[dict[str, Any]], read: _Read) -> None:
    """Adds to each word's record its fill, outline, rank and value."""
    ranks = {int(word): rank for rank, word in enumerate(read.order, 1)}
    free, line = 0.0, -1.0
    for one in words:
        one |= {"said": "", "rank": ""}
        if one["side"] == "answer" or one["word"] < 0:
            one |= {"fill": "#ffffff", "edge": None}
            continue
        value = float(read.values[one["word"]])
        strength = value / read.limit
        one |= {"fill": mixed_colour(max(strength, 0)), "edge": _outline(strength), "said": read.said(value)}
        if one["first"] and one["word"] in ranks:
            free = free if one["y"] == line else 0.0
            rank, line = str(ranks[one["word"]]), one["y"]
            one |= {"rank": rank, "rx": round(max(one["x"] - 1.5, free), 1)}
            free = one["rx"] + text_width(rank, RANK_SIZE) + 2


def _frames(canvas: PixelCanvas, words: Sequence[dict[str, Any]], read: _Read) -> list[alt.Chart]:
    """Draws one frame round each run of picked words on a line of the answer."""
    rows = set(read.rows.tolist())
    runs: list[dict[str, Any]] = []
    after = -2
    for place, one in enumerate(words):
        if one["side"] != "answer" or one["word"] not in rows:
            continue
        ends = {"x": one["x"] - 1.5, "x1": one["x"] + one["w"] + 1.5}
        if place == after and runs[-1]["y"] == one["y"] - BOX + 1:
            runs[-1] |= {"x": min(runs[-1]["x"], ends["x"]), "x1": max(runs[-1]["x1"], ends["x1"])}
        else:
            runs.append(ends | {"y": one["y"] - BOX + 1, "y1": one["y"] + BOX})
        after = place + 1
    mark = alt.Chart(inline_data(runs)).mark_rect(
        fill=None, stroke=PICKED, strokeWidth=1.3, cornerRadius=2, tooltip=None
    )
    return [mark.encode(x=canvas.x(), x2=alt.X2("x1:Q"), y=canvas.y(), y2=alt.Y2("y1:Q"))] if runs else []


def _outline(strength: float) -> str | None:
    """Returns the colour of the outline of what is below 0: the stronger, the darker."""
    if strength >= 0:
        return None
    parts = [int(HOLLOW[i : i + 2], 16) for i in (1, 3, 5)]
    t = min(1.0, -strength) * 0.85 + 0.15 if strength < -0.02 else 0.0
    return "#" + "".join(f"{round(255 + t * (p - 255)):02x}" for p in parts)


def _text_marks(canvas: PixelCanvas, words: Sequence[dict[str, Any]], select: str | None) -> list[alt.Chart]:
    """Draws boxes, words and ranks of both texts."""
    base = alt.Chart(inline_data(words)).transform_calculate(
        x0="datum.x - 1.5", x1="datum.x + datum.w + 1.5", y0=f"datum.y - {BOX - 1}", y1=f"datum.y + {BOX}"
    )
    tips = [alt.Tooltip("text:N", title="word"), alt.Tooltip("said:N", title="value"), alt.Tooltip("rank:N")]
    box: dict[str, Any] = {"x": canvas.x("x0"), "x2": "x1:Q", "y": canvas.y("y0"), "y2": "y1:Q"}
    filled = base.mark_rect(cornerRadius=2, strokeWidth=1.3).encode(
        **box, fill=alt.Fill("fill:N", scale=None), stroke=alt.Stroke("edge:N", scale=None), tooltip=tips
    )
    if select:
        filled = filled.add_params(alt.selection_point(name=select, fields=["side", "word"], empty=False))
    text = base.mark_text(align="left", baseline="middle", fontSize=TEXT_SIZE, color=INK, dy=1)
    ranks = base.transform_filter("datum.rank !== ''").transform_calculate(ry="datum.y - 10.5")
    rank = ranks.mark_text(align="left", baseline="middle", fontSize=RANK_SIZE, color=FAINT, fontWeight="bold")
    return [
        filled,
        text.encode(x=canvas.x(), y=canvas.y(), text=alt.Text("text:N"), tooltip=tips),
        rank.encode(x=canvas.x("rx"), y=canvas.y("ry"), text=alt.Text("rank:N")),
    ]


def _bars(
    importance: Importance, read: _Read, inputs: str, left: float, top: float, right: float
) -> list[dict[str, Any]]:
    """Returns a record for each bar with all places in pixels."""
    columns = shown_columns(importance, inputs)
    labels = [_bare(importance.columns.labels[columns[w]]) for w in read.order]
    values = read.values[read.order]
    said = [read.said(float(v)) for v in values]
    name_room = min(max((text_width(t, 10) for t in labels), default=0) + 4, 0.42 * (right - left))
    number = max((text_width(t, 9.5) for t in said), default=0) + 6
    begin = left + 18 + name_room + 6 + (number if (values < 0).any() else 0)
    span = max(right - number - begin, 10)
    low, high = min(values.min(initial=0), 0), max(values.max(initial=0), 0)
    scale = span / ((high - low) or 1)
    zero = begin - low * scale
    return [
        {
            "side": "input", "word": int(w), "rank": str(rank), "label": label,
            "name": fitting_text(label, 10, name_room), "said": text,
            "value": exact_number(float(value)), "y": top + HEAD + BAR_ROW * (rank - 0.5), "nx": left + 18 + name_room,
            "rx": left + 12, "zero": zero, "end": round(zero + float(value) * scale, 1), "minus": int(value < 0),
            "uniform": exact_number(float(read.uniform[w])),
        }
        for rank, (w, label, text, value) in enumerate(zip(read.order, labels, said, values, strict=True), 1)
    ]  # fmt: skip


def _bar_marks(canvas: PixelCanvas, bars: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    """Draws rank, word, bar and value of each bar, and the line of 0."""
    base = alt.Chart(inline_data(bars)).transform_calculate(
        y0=f"datum.y - {BAR_HEIGHT / 2:g}",
        y1=f"datum.y + {BAR_HEIGHT / 2:g}",
        at="datum.minus ? datum.end - 4 : datum.end + 4",
    )
    tips = [alt.Tooltip("label:N", title="word"), alt.Tooltip("said:N", title="value"), alt.Tooltip("rank:N")]
    box: dict[str, Any] = {"x": canvas.x("zero"), "x2": "end:Q", "y": canvas.y("y0"), "y2": "y1:Q", "tooltip": tips}
    marks = [
        base.transform_filter("!datum.minus").mark_rect(fill=SHADE, stroke=HOLLOW, strokeWidth=0.8).encode(**box),
        base.transform_filter("datum.minus").mark_rect(fill="#ffffff", stroke=HOLLOW, strokeWidth=1.3).encode(**box),
    ]
    text: dict[str, Any] = {"baseline": "middle", "color": INK, "tooltip": None}
    for field, place, size, look in (
        ("rank", "rx", 8.5, {"align": "right", "color": FAINT}),
        ("name", "nx", 10, {"align": "right"}),
    ):
        mark = base.mark_text(fontSize=size, **(text | look))
        marks.append(mark.encode(x=canvas.x(place), y=canvas.y(), text=alt.Text(f"{field}:N")))
    for minus, align in ((0, "left"), (1, "right")):
        mark = base.transform_filter(f"datum.minus === {minus}").mark_text(fontSize=9.5, **(text | {"align": align}))
        marks.append(mark.encode(x=canvas.x("at"), y=canvas.y(), text=alt.Text("said:N")))
    line = base.mark_rule(color=FAINT, strokeWidth=1, tooltip=None).transform_calculate(
        a=f"datum.y - {BAR_ROW / 2:g}", b=f"datum.y + {BAR_ROW / 2:g}"
    )
    return [*marks, line.encode(x=canvas.x("zero"), y=canvas.y("a"), y2=alt.Y2("b:Q"))]


def _legend(read: _Read, framed: bool, top: float, room: float) -> tuple[Any, float]:
    """Returns a function that draws what shade, outline and frame mean, and where the legend ends."""
    swatches: list[tuple[str, str | None, str]] = [(mixed_colour(t), None, "") for t in (0.15, 0.5)]
    swatches.append((SHADE, None, f"0 to {read.said(read.limit)}"))
    if read.signed:
        swatches.append(("#ffffff", HOLLOW, f"below 0, to {read.said(float(read.values.min()))}"))
    if framed:
        swatches.append(("#ffffff", PICKED, "picked"))
    boxes: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    x = 0.0
    for fill, edge, text in swatches:
        needed = SWATCH + 4 + text_width(text, LEGEND_SIZE)
        if x and x + needed > room:
            x, top = 0.0, top + SWATCH
        boxes.append({"x": x + 0.7, "x1": x + SWATCH, "y": top + 3, "y1": top + 14, "fill": fill, "edge": edge})
        texts.append({"x": x + SWATCH + 4, "y": top + 9, "text": text, "colour": INK})
        x += needed + 10 if text else SWATCH

    def draw(canvas: PixelCanvas) -> list[alt.Chart]:
        mark = alt.Chart(inline_data(boxes)).mark_rect(strokeWidth=1.2, tooltip=None)
        colours = {"fill": alt.Fill("fill:N", scale=None), "stroke": alt.Stroke("edge:N", scale=None)}
        box = mark.encode(x=canvas.x(), x2=alt.X2("x1:Q"), y=canvas.y(), y2=alt.Y2("y1:Q"), **colours)
        return [box, canvas.texts(texts, LEGEND_SIZE)]

    return draw, top + 18


def _heading(read: _Read) -> str:
    return f"The {len(read.order)} strongest of {len(read.values)}"


def _title(importance: Importance, read: _Read, framed: bool) -> str:
    what = {"share": "What was read", "nats": "What the answer's log-probability is put down to"}.get(
        read.unit, "Scores"
    )
    if not framed:
        return f"{what}, over the whole answer"
    labels = [label for row in read.rows if (label := _bare(importance.rows.labels[row])) != SPACE]
    more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
    labels = labels[:4]
    return f"{what} at “{' '.join(labels)}”{more}"


def _lines(importance: Importance, read: _Read) -> list[str]:
    """Returns the caption: model, settings, what is drawn, and what it does not say."""
    steps = round(
        float(np.bincount(importance.rows.unit, importance.rows.weight, len(importance.rows))[read.rows].sum())
    )
    noun = legend_title(importance.unit, importance.method)
    what = f"{noun}, {f'mean over {steps} steps' if steps != 1 else 'of one step'}; numbers are ranks by size"
    return [
        *filter(None, [importance.model]),
        settings_line(importance),
        what,
        *importance.notes,
        SEVERAL if importance.unit == "nats" else NOT_SAID,
    ]


def _bare(label: str) -> str:
    """Returns a label without the spaces around it; a space alone is seen."""
    return visible_label(label, 40).strip(f" {SPACE}") or SPACE


def _spoken(bars: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{bar['label']} {bar['said']}" for bar in bars[:5]) or "nothing was read"
