"""Compare: two to four stored runs side by side, on one colour scale."""

from pages.parts.frame import cache_line, frame
from pages.parts.sides import sides

frame("Compare")
cache_line()
sides()
