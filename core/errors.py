"""What may go wrong and be told to a person.

One family of exceptions means "tell the user": the message is a whole sentence that says what was
seen and what to do about it. Everything else is a bug and belongs in the log.
"""


class HeedError(Exception):
    """An expected failure; ``str(error)`` is one sentence with the remedy."""


class PromptError(HeedError):
    """The prompt or the given answer cannot be run as it stands."""


class ModelError(HeedError):
    """A model cannot be found, fetched, checked or loaded."""


class NotFetched(ModelError):
    """The model is known, but its files are not on this machine yet."""


class CaptureError(HeedError):
    """Attention could not be taken from this model."""


class MethodError(HeedError):
    """A method was asked for something that it or the trace does not have."""


class StoreError(HeedError):
    """A stored run is damaged, missing, or cannot be written."""


class Cancelled(HeedError):
    """The user stopped the work; nothing was stored."""
