"""Page Trust: which methods are right about a model, measured on many prompts."""

from pages.parts.frame import cache_line, page_frame
from pages.parts.model_picker import pick_model
from pages.parts.trust.trust_page import trust_page

page_frame("Trust")
model = pick_model()
cache_line()
trust_page(model)
