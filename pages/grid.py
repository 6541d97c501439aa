"""Page Grid: many prompts on many models, every answer in one table."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.grid.grid_page import grid_page

page_frame("Grid")
cache_line()
grid_page()
