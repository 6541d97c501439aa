"""Page Runs: search, name, star, open, compare and delete stored runs, and open files."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.runs_table import runs_page

page_frame("Runs")
cache_line()
runs_page()
