"""Computes in float32 with weights that are stored in half precision.

Rounding in bfloat16 grows from layer to layer until two correct ways to compute attention differ by tenths: whether
Heed's rows are right cannot be told from them. So the check of a loaded model computes in float32, whatever its weights
are stored in; only the weight that is in use is copied. Guarded by tests/core/test_models_self_check.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

HALF_PRECISION = (torch.bfloat16, torch.float16)
_DTYPE: Any = torch.Tensor.dtype.__get__
_SAME = {
    getattr(torch.Tensor, name).__get__ for name in ("shape", "device", "ndim", "grad", "requires_grad", "is_leaf")
} | {torch.Tensor.size, torch.Tensor.dim, torch.Tensor.numel, torch.Tensor.stride}
"""Asked of a tensor without reading it: no copy is made for them."""


class Float32(TorchFunctionMode):
    """While active in this thread every torch function sees half-precision tensors as float32 ones."""

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls ``func`` with every half-precision tensor widened; a tensor says of itself that it is float32."""
        kwargs = kwargs or {}
        if func is _DTYPE:
            found = func(*args)
            return torch.float32 if found in HALF_PRECISION else found
        if func in _SAME:
            return func(*args, **kwargs)
        return func(*tree_map(_widened, args), **tree_map(_widened, kwargs))


def _widened(value: Any) -> Any:
    """Returns float32 for a half-precision tensor or dtype; everything else as it is."""
    if isinstance(value, torch.Tensor):
        with torch._C.DisableTorchFunction():
            return value.float() if value.dtype in HALF_PRECISION else value
    return torch.float32 if isinstance(value, torch.dtype) and value in HALF_PRECISION else value
