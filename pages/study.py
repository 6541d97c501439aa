"""Study: many prompts in several structures, run in the background, kept as one table."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.study.study_page import study_page

page_frame("Study")
cache_line()
study_page()
