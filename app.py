"""Heed: what a language model read while it wrote its answer. A visitor lands on Explore."""

from pages.parts.explore_page import explore_page

explore_page()
