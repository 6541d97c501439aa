"""Compare: two to four columns side by side, each a prompt, a model and a way to read it."""

from pages.parts.compare.page import compare
from pages.parts.frame import cache_line, frame

frame("Compare")
cache_line()
compare()
