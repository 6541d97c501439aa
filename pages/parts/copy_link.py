"""A button that copies the page's address, which opens the same run, read in the same way."""

from __future__ import annotations

import streamlit as st

_HTML = '<button type="button" title="Copies the address of what is shown">Copy link</button>'
_CSS = """
button { font: 0.875rem var(--st-font, sans-serif); color: var(--st-text-color); background: transparent; border: 0;
  padding: 0.1rem 0.2rem; text-decoration: underline; text-underline-offset: 0.2em; cursor: pointer; }
button:focus-visible { outline: 2px solid currentColor; }
"""
_JS = """
// Without https a browser has no clipboard interface: then the text is copied from a field, as it used to be.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.body.appendChild(document.createElement("textarea"));
  field.value = text;
  field.select();
  document.execCommand("copy");
  field.remove();
}
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    await copy(location.href);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  };
}
"""
_component = st.components.v2.component("heed_copy_link", html=_HTML, css=_CSS, js=_JS)


def copy_link() -> None:
    """Draws the button."""
    _component(key="copy_link", width="content")
