"""Tests of what is found out once per model: computed once for each, forgotten with it."""

import gc
import weakref

from core.models.per_model import once_per_model


class Model:
    pass


def test_each_model_is_asked_once_and_forgotten_with_it():
    asked = []
    found = once_per_model(lambda hf: asked.append(1) or len(asked) - 1)
    one, other = Model(), Model()
    assert [found(one), found(one), found(other), found(one)] == [0, 0, 1, 0], "0 and None are answers too"
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
