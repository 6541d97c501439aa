"""Draws records: Altair charts, the two shaded texts, and a page that needs no server."""
