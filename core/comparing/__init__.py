"""Several runs by the same words: aligning, comparing, agreement, stability, minimal pairs."""
