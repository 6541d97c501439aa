"""Page Study: runs many prompts in several structures in the background and keeps one table."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.study.study_page import study_page

page_frame("Study")
cache_line()
study_page()
