"""Knows texts: the prompt as the model reads it, and its words, sentences and segments."""
