"""Switches a freshly loaded model to Heed's attention function and checks that the captured rows are right.

Guarded by tests/core/test_attention_families.py.
"""

from __future__ import annotations

from typing import Any, Literal

from .attention import NAME, attention_forward
from .self_check import row_problems


def install_attention(hf: Any) -> Literal["dispatch", "eager", "none"]:
    """Makes a freshly loaded model's attention readable and returns by which path; call it before the model is shared.

    ``dispatch``: rows come from the sdpa path. ``eager``: this family does not dispatch (or its rows could not
    be verified): load it again with ``attn_implementation="eager"``. ``none``: it has no attention.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if not hf._can_set_attn_implementation():
        return "eager" if _has_attention(hf) else "none"
    AttentionInterface.register(NAME, attention_forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)  # without it the mask is silently None
    hf.set_attn_implementation(NAME)
    if not row_problems(hf):
        return "dispatch"
    return "eager" if _has_attention(hf) else "none"


def _has_attention(hf: Any) -> bool:
    names = {type(module).__name__.lower() for module in hf.modules()}
    return any("attention" in name or "attn" in name for name in names)
