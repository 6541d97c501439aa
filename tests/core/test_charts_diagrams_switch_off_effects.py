"""Effects of switched off parts keep their sign, their size and their place."""

import numpy as np
import pytest

from core.charts.diagrams.switch_off_effects import switch_off_heads, switch_off_steps
from tests.core.drawn_records import records_with

EFFECTS = np.array([[0.5, -0.25], [np.nan, 0.0]])


def test_heads_beside_attention():
    chart = switch_off_heads(EFFECTS, np.abs(EFFECTS), layers=[3, 7]).to_dict()
    circles, shades = chart["hconcat"]
    found = {(r["layer"], r["head"]): r for r in records_with(chart, "nats")}
    assert set(found) == {(3, 0), (3, 1), (7, 1)}
    assert found[3, 0]["area"] == pytest.approx(2 * found[3, 1]["area"], rel=1e-2) and found[3, 1]["nats"] == -0.25
    assert "nats >= 0" in str(circles["layer"][1]["transform"]) and "nats < 0" in str(circles["layer"][2]["transform"])
    assert len(records_with(chart, "share")) == 3 and "encoding" in shades
    with pytest.raises(ValueError, match="one a head"):
        switch_off_heads(EFFECTS, np.ones((1, 2)))


def test_token_by_token():
    chart = switch_off_steps(EFFECTS, ["head 1.2", "MLP 3"], ["if", " sky"]).to_dict()
    found = records_with(chart, "nats")
    assert [(r["part"], r["nats"]) for r in found] == [("head 1.2", 0.5), ("head 1.2", -0.25), ("MLP 3", 0.0)]
    with pytest.raises(ValueError, match=r"\(parts, steps\)"):
        switch_off_steps(EFFECTS, ["a"], ["b", "c"])
