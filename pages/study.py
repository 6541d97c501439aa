"""Study: many prompts in several structures, run in the background, kept as one table."""

from pages.parts.frame import cache_line, frame
from pages.parts.study.page import study

frame("Study")
cache_line()
study()
