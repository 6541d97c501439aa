"""Rate: answers of a study, blind and in random order, 1 to 5."""

from pages.parts.frame import cache_line, frame
from pages.parts.rate.page import rate

frame("Rate")
cache_line()
rate()
