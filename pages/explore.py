"""Explore: one prompt, one model, and what every word of the answer read."""

from pages.parts.explore import explore

explore()
