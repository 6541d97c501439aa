"""A page that a plugin brings, by its name in the address."""

from pages.parts.plugin_page import plugin_page

plugin_page()
