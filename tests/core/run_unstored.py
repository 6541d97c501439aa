"""``run`` without the store, for tests of capturing."""

from functools import partial

import core

run = partial(core.run, cache=False)
