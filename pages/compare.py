"""Compare: two to four columns side by side, each a prompt, a model and a way to read it."""

from pages.parts.compare.compare_page import compare_page
from pages.parts.frame import cache_line, page_frame

page_frame("Compare")
cache_line()
compare_page()
