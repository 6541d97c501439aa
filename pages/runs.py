"""Runs: everything that was run and kept. Search, name, star, open, compare, delete, open a file."""

from pages.parts.frame import cache_line, frame
from pages.parts.shelf import shelf

frame("Runs")
cache_line()
shelf()
