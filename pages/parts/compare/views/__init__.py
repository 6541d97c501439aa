"""What Compare draws below its columns: one module a view, each a function from the comparison to a ``Figure``."""
