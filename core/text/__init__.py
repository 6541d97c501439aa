"""Turns a prompt into what the model reads, and finds words, sentences and segments in it."""
