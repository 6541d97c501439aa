"""The page Compare: two to four columns, each a prompt, a model and a way to read it, and what differs."""
