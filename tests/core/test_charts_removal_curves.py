"""Tests of the curves of deletion and insertion: their points, order and limit."""

import pandas as pd
import pytest

from core.charts.removal_curves import MOST_CURVES, removal_curves_chart


def points(names, counts=(1, 3, 5)):
    return pd.DataFrame(
        [
            {"label": name, "count": count, "value": i + count, "low": i, "high": i + 2 * count}
            for i, name in enumerate(names)
            for count in counts
        ]
    )


def test_a_line_goes_through_the_values_of_each_method_in_their_order():
    plain = removal_curves_chart(points(["Mean", "Best"]), title="T", axis="nats lost", lines=("why",)).to_dict()
    line = next(layer for layer in plain["layer"] if layer["mark"]["type"] == "line")
    assert line["encoding"]["color"]["scale"]["domain"] == ["Mean", "Best"]
    values = plain["datasets"][line["data"]["name"]] if "name" in line["data"] else line["data"]["values"]
    mean = [(v["count"], v["value"]) for v in values if v["label"] == "Mean"]
    assert mean == [(0, 0), (1, 1), (3, 3), (5, 5)], "from nothing hidden on"
    assert line["encoding"]["x"]["axis"]["values"] == [0, 1, 3, 5]
    assert plain["title"]["subtitle"] == ["why"] and "T. why" in plain["description"]


def test_more_lines_than_colours_are_left_out_and_a_missing_column_is_named():
    plain = removal_curves_chart(points([f"M{i}" for i in range(20)]), title="T", axis="a").to_dict()
    domain = plain["layer"][1]["encoding"]["color"]["scale"]["domain"]
    assert domain == [f"M{i}" for i in range(MOST_CURVES)]
    with pytest.raises(ValueError, match="no column low"):
        removal_curves_chart(points(["a"]).drop(columns="low"), title="T", axis="a")
