"""Reads a tuned lens: a linear map for each layer, trained to make the logit lens say what the model will say.

    HEED_HOME/lenses/NAME/params.safetensors    {l}.weight [d, d] and {l}.bias [d] for l = 0 .. L - 1

NAME is the model's name, the last part of it where it is a path or a hub id. The hidden state h of layer l (0 is the
embedding) is read as h + W_l h + b_l, then through the model's last norm and output layer; what comes out of the last
layer is read as it is (Belrose et al. 2023, arXiv 2303.08112). Their files hold the same numbers as ``params.pt``; they
must be saved as safetensors, since nothing is ever unpickled here. Guarded by tests/core/test_capture_tuned_lens.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ..errors import CaptureError
from ..settings import home_path

LENSES, LENS_FILE = "lenses", "params.safetensors"


@dataclass(frozen=True)
class TunedLens:
    """An opened file of translators; a layer's is read when it is needed."""

    name: str
    file: Any

    def translate(self, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """Returns h + W h + b for ``hidden`` [..., d] of a layer (0: the embedding), in the dtype of ``hidden``."""
        weight, bias = (self.file.get_tensor(f"{layer}.{part}") for part in ("weight", "bias"))
        moved = torch.nn.functional.linear(
            hidden.float(), weight.float().to(hidden.device), bias.float().to(hidden.device)
        )
        return (hidden.float() + moved).to(hidden.dtype)


def lens_path(model: str) -> Path:
    """Returns where the tuned lens of the model of this name is looked for."""
    return home_path() / LENSES / Path(model).name / LENS_FILE


def read_tuned_lens(model: str, layers: int, width: int) -> TunedLens | None:
    """Returns the tuned lens for a model of ``layers`` layers whose stream has ``width`` numbers; None without a file.

    Raises CaptureError where the file is no tuned lens of such a model.
    """
    path = lens_path(model)
    if not path.is_file():
        return None
    try:
        file = safe_open(str(path), "pt")
        names = set(file.keys())
        for layer in range(layers):
            for part, shape in ((f"{layer}.weight", [width, width]), (f"{layer}.bias", [width])):
                if part not in names or file.get_slice(part).get_shape() != shape:
                    raise CaptureError(
                        f"The tuned lens {path} does not fit this model: it needs {part} of shape {shape} and the like "
                        f"for layers 0 to {layers - 1}. Take it away, or put the right one there."
                    )
    except (SafetensorError, OSError) as error:
        raise CaptureError(f"The tuned lens {path} cannot be read ({error}): take it away or replace it.") from error
    return TunedLens(path.parent.name, file)
