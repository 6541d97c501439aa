"""Tests that docs/studies.md is up to date with the registries."""

from scripts.make_reference import PAGE, page, table


def test_reference_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: .venv/bin/python -m scripts.make_reference"


def test_a_bar_in_a_cell_does_not_break_a_table():
    assert table(("a",), [("x|y",)]) == "| a |\n|---|\n| x\\|y |"
