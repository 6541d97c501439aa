"""Page Findings: the answer quality that a study measured, and how it correlates with importance."""

from pages.parts.findings.findings_page import findings_page
from pages.parts.frame import cache_line, page_frame

page_frame("Findings")
cache_line()
findings_page()
