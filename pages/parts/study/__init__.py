"""The page Study: a plan made in a few clicks, and the studies of this machine."""
