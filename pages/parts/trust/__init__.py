"""The page Trust in parts."""
