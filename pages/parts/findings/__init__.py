"""The page Findings: a study's tables as figures, sentences and files."""
