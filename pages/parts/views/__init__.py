"""The views below the texts, one module each: functions (trace, words, chosen, picked) -> ``ViewFigure``."""
