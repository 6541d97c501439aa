"""``python -m core`` in a checkout; ``python -m heed`` or plain ``heed`` where Heed is installed."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
