"""The page Compare: two to four columns (prompt, model, attention method) and views of what differs."""
