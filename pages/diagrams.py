"""Page Diagrams: static figures of attention and of a model's other parts, for papers and slides."""

from pages.parts.diagrams.diagrams_page import diagrams_page
from pages.parts.frame import cache_line, page_frame

page_frame("Diagrams")
cache_line()
diagrams_page()
