"""What if: knock words out of the prompt, see what the same answer loses, and set that beside what was read.

``what_if`` draws all of it for one run; Explore draws the texts itself (``whatif_overlays`` says what to mark and tint
there), Compare lets it draw them. ``guess_first`` hides a run until a class has guessed.
"""

from pages.parts.whatif import guess_first
from pages.parts.whatif.whatif_panel import HINT, open_whatif, what_if, whatif_overlays, whatif_panel
from pages.parts.whatif.whatif_state import with_hint

__all__ = ["HINT", "guess_first", "open_whatif", "what_if", "whatif_overlays", "whatif_panel", "with_hint"]
