"""The views below the columns of Compare: functions from the matched columns to a ``ViewFigure``."""
