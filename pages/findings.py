"""Findings: what a study found about quality, and whether importance goes with it."""

from pages.parts.findings.findings_page import findings_page
from pages.parts.frame import cache_line, page_frame

page_frame("Findings")
cache_line()
findings_page()
