"""The page Rate: a study's answers, one at a time and without their model, to be rated by people."""
