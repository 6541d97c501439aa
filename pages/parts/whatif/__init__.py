"""The what-if: knocks words out of the prompt, measures what the same answer loses, compares that with attention; or
turns words up and down.

``what_if`` draws all of it for one run, as on Compare; Explore draws the texts itself (``whatif_overlays`` returns what
to mark and tint there). ``guess_first`` hides a run until a class has guessed.
"""

from pages.parts.whatif import guess_first
from pages.parts.whatif.whatif_panel import (
    HINT,
    open_whatif,
    present_steering,
    what_if,
    whatif_overlays,
    whatif_panel,
)
from pages.parts.whatif.whatif_state import with_hint

__all__ = [
    "HINT",
    "guess_first",
    "open_whatif",
    "present_steering",
    "what_if",
    "whatif_overlays",
    "whatif_panel",
    "with_hint",
]
