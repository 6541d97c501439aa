"""What if: knock words out of the prompt, see what the same answer loses, and set that beside what was read.

``what_if`` draws all of it for one run; Explore draws the texts itself (``lit`` says what to mark and tint there),
Compare lets it draw them. ``guess`` hides a run until a class has guessed.
"""

from pages.parts.whatif import guess
from pages.parts.whatif.here import hinted
from pages.parts.whatif.panel import HINT, lit, open_here, panel, what_if

__all__ = ["HINT", "guess", "hinted", "lit", "open_here", "panel", "what_if"]
