"""Entry point of the Streamlit app; a visitor lands on the page Explore."""

from pages.parts.explore_page import explore_page

explore_page()
