"""Runs: everything that was run and kept. Search, name, star, open, compare, delete, open a file."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.runs_table import runs_page

page_frame("Runs")
cache_line()
runs_page()
