"""Page of a plugin, chosen by ``?page=`` in the URL."""

from pages.parts.plugin_page import plugin_page

plugin_page()
