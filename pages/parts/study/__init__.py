"""The page Study: the form of a new study, and the list of the studies of this machine."""
