"""The page Grid."""
