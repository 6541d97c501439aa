"""Page Rate: people rate the answers of a study from 1 to 5, blind and in random order."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.rate.rate_page import rate_page

page_frame("Rate")
cache_line()
rate_page()
