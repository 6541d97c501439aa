"""``python -m core.study``: studies from a shell. Workers of a study start here too."""

import sys

from .commands import main

if __name__ == "__main__":
    sys.exit(main())
