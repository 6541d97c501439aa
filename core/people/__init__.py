"""Who looks at the store, and what belongs to whom: used only where the dashboard asks people to sign in.

Without sign-in, in Python and in the shell, ``viewer()`` is None and everything is seen. Guarded by
tests/core/test_people_viewer.py and test_people_belongings.py.
"""

from .belongings import (
    Belonging,
    belonging_ids,
    belongings_of,
    forget_owners,
    give_up,
    is_owner,
    may_see,
    owned_ids,
    share_with_all,
    take_ownership,
    visible_ids,
)
from .viewer import NO_ONE, PEOPLE_FOLDER, Person, ask_viewer, own_folder, person_of, viewer, viewing

__all__ = [
    "NO_ONE",
    "PEOPLE_FOLDER",
    "Belonging",
    "Person",
    "ask_viewer",
    "belonging_ids",
    "belongings_of",
    "forget_owners",
    "give_up",
    "is_owner",
    "may_see",
    "own_folder",
    "owned_ids",
    "person_of",
    "share_with_all",
    "take_ownership",
    "viewer",
    "viewing",
    "visible_ids",
]
