"""Heed's own version: part of every request id, so a change of numbers needs a new one."""

__version__ = "0.1.0"
