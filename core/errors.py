"""Exceptions for expected failures, whose messages are shown to the user.

Each message is a whole sentence that says what was seen and what to do about it. Any exception outside this family is a
bug and belongs in the log.
"""

import errno


class HeedError(Exception):
    """Base of all expected failures; ``str(error)`` is one sentence with the remedy."""


class PromptError(HeedError):
    """The prompt or the given answer cannot be run as it stands."""


class ModelError(HeedError):
    """A model cannot be found, fetched, checked or loaded."""


class NotFetched(ModelError):
    """The model is known, but its files are not on this machine yet."""


class CaptureError(HeedError):
    """Attention could not be taken from this model."""


class MethodError(HeedError):
    """A method needs something that it or the trace does not have."""


class StoreError(HeedError):
    """A stored run is damaged, missing, or cannot be written."""


class MapFileError(HeedError):
    """A file with attention from elsewhere cannot be read as it stands, or cannot be written."""


class StudyError(HeedError):
    """A study's plan, an uploaded table or a query on one cannot be used as it stands."""


class Cancelled(HeedError):
    """The user stopped the work; nothing was stored."""


NO_MEMORY = "There was not enough memory for this: use a smaller model or a shorter text, or close other programs."

_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether ``error`` is a shortage of memory. Torch's errors are known by name and text, without torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY)


def is_panic(error: BaseException) -> bool:
    """Returns whether ``error`` is a failed assertion in a library written in Rust, which is no ``Exception``.

    tokenizers and safetensors raise it for files that they did not expect; it is known by name, without importing them.
    """
    return type(error).__name__ == "PanicException"


def error_reason(error: BaseException) -> str:
    """Returns another library's error message on one line, or the exception's class name if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]).rstrip(".:") if lines else type(error).__name__
