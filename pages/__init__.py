"""The pages of the dashboard: one file a page, their parts in ``pages/parts``."""
