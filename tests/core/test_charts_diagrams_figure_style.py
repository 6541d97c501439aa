"""Every diagram says where it comes from and what it does not say."""

import numpy as np

from core.charts.diagrams.figure_style import NOT_SAID, map_caption, wrapped_caption
from core.charts.text_widths import text_width
from core.records import AttentionMap


def test_the_caption_names_source_map_settings_and_limits():
    one = AttentionMap.of(np.eye(2), what="layer 1, head 2", source="MiniLM", kind="encoder")
    assert map_caption(one, ["gamma 0.5", "lens on 10 cells"]) == [
        "MiniLM · encoder self-attention · layer 1, head 2",
        "gamma 0.5 · lens on 10 cells",
        NOT_SAID,
    ]
    assert map_caption(AttentionMap.of(np.eye(2))) == ["self-attention", NOT_SAID]


def test_caption_lines_fit_the_figure():
    lines = wrapped_caption(["a short line", "many words " * 20, ""], 330)
    assert lines[0] == "a short line" and lines[-1] == "" and max(map(len, lines)) <= 61
    assert " ".join(lines[1:-1]) == ("many words " * 20).strip()
    assert all(text_width(line, 11) <= 320 for line in wrapped_caption(["漢字カナ" * 30, "W" * 90], 330))
