"""Explore: one prompt, one model, and what every word of the answer read."""

from pages.parts.explore_page import explore_page

explore_page()
