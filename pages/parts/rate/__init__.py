"""The page Rate: answers of a study, shown blind, one at a time."""
