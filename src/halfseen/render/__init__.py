"""Renderers of a summary: text, notebook, JSON and the page."""
