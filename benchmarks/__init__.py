"""Measures what looking costs: capture, comparison, knock-outs and studies."""
