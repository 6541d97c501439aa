"""``python -m core.study.quality``: fetches the encoder that relevance is measured with, for studies without a network.

A command: it prints. Part of ``make demo``.
"""

from __future__ import annotations

import sys

from ...errors import HeedError
from .encoder import encoder_is_fetched, fetch_encoder


def main() -> int:
    """0 when the encoder is there."""
    try:
        sys.stdout.write("all-MiniLM-L6-v2 (84 MB), for relevance: " + ("" if encoder_is_fetched() else "fetching\n"))
        sys.stdout.write(f"in {fetch_encoder()}\n")
    except HeedError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
