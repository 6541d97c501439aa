"""Page Explore: one prompt on one model, and what each word of the answer attended to."""

from pages.parts.explore_page import explore_page

explore_page()
