"""The four views below the texts, one file each: draw(trace, words, chosen, picked) -> Figure."""
