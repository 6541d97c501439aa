"""``make torture``: what bad days do to what Heed keeps. Kills, full disks, read-only folders, clocks, flipped bits.

``forks`` runs work in processes that are killed or that live in a world of their own, ``works`` is the work that is
killed and what must be true of it afterwards, ``killing`` kills it, ``bad_days`` and ``flips`` are the other bad days.
"""
