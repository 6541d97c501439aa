"""Page Compare: two to four runs side by side, each with a prompt, a model and an attention method."""

from pages.parts.compare.compare_page import compare_page
from pages.parts.frame import cache_line, page_frame

page_frame("Compare")
cache_line()
compare_page()
