"""Heed's version, and the version since which its numerical results are the same."""

__version__ = "0.11.0"

NUMBERS = "0.1.0"
"""Part of every request id: the release that last changed what a run holds. Stored runs of later ones stay valid."""
