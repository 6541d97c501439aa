"""Trains a tiny language model in whose second layer an induction head forms, and keeps its checkpoints.

    python -m scripts.train_induction_model FOLDER [--steps 1000] [--seed 0] [--example]

``--example`` also writes what each checkpoint attends to in one fixed text: the example of the page Diagrams.

A text is a row of random words that is then repeated: whoever has seen the words once can predict the second half, and
what learns to do so is an induction head (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits";
Olsson et al. 2022, "In-context Learning and Induction Heads"). Each checkpoint is a folder ``step-00000`` with weights
as safetensors and a tokenizer of whole words, which ``core.capture.checkpoint_maps`` and the page Diagrams read. Takes
about half a minute on two cores. It prints, for each checkpoint, the loss of the second half (nats a token; guessing
costs ln 64 = 4.16) and the induction score of each head of the second layer: its attention to the word after the
earlier place of the current word, mean over the second half.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.maps import example_checkpoints
from core.maps.example_checkpoints import EXAMPLE_TEXT

WORDS = """
apple bird blue book boy bread cat chair clock cloud cold cup dark day dog door earth egg eye fire fish flower girl
gold grass green hand hat horse house ice iron key king lake lamp leaf light milk moon mouse night oak paper pen
queen rain red ring river road rock sea ship snow star stone street sun table tree wind wolf wood
""".split()  # noqa: SIM905
SHORTEST, LONGEST = 6, 20
"""Words of the part that is repeated."""
BATCH, RATE = 64, 2e-3
SAVED = (0, 50, 100, 150, 200, 225, 250, 275, 300, 325, 350, 375, 400, 450, 500, 700, 1000)
"""Steps at which the model is kept: closest together where the head forms (with seed 0)."""


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Returns a tokenizer with one token a word."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(("<s>", "<unk>", *WORDS))}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="<s>", pad_token="<s>", unk_token="<unk>"
    )


def repeated(count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Returns int64 [count, 2 x length]: random words, then the same again."""
    order = torch.rand((count, len(WORDS)), generator=generator).argsort(-1)[:, :length] + 2
    return torch.cat([order, order], dim=1)


def small_model(seed: int) -> Any:
    """Returns the untrained model: 2 layers of 4 heads."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS) + 2,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config)


def second_half_loss(model: Any, ids: torch.Tensor) -> float:
    """Returns the mean loss (nats) of the words of the second half, but for its first, which nobody can know."""
    with torch.no_grad():
        logits = model(ids).logits
    half = ids.shape[1] // 2
    return float(torch.nn.functional.cross_entropy(logits[:, half:-1].flatten(0, 1), ids[:, half + 1 :].flatten()))


def attention_of(model: Any, ids: torch.Tensor) -> np.ndarray:
    """Returns float16 [layer, text, head, query, key], by the library's own eager path."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = model(ids, output_attentions=True).attentions
    model.set_attn_implementation(before)
    return torch.stack(attentions).numpy().astype(np.float16)


def induction_scores(model: Any, ids: torch.Tensor) -> np.ndarray:
    """Returns [layer, head]: attention from each word of the second half to the word after its earlier place."""
    half = ids.shape[1] // 2
    places = np.arange(half, 2 * half)
    return attention_of(model, ids)[..., places, places - half + 1].astype(np.float32).mean((1, 3))


def train(folder: Path, steps: int, seed: int) -> dict[int, np.ndarray]:
    """Trains the model and saves its checkpoints below ``folder``; prints how the head forms.

    Returns {step: attention} of each checkpoint for the example's text.
    """
    example: dict[int, np.ndarray] = {}
    tokenizer, model = word_tokenizer(), small_model(seed)
    generator = torch.Generator().manual_seed(seed)
    fresh = repeated(64, 16, torch.Generator().manual_seed(seed + 1))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    began = time.monotonic()
    print(f"guessing costs {math.log(len(WORDS)):.2f} nats\nstep   loss of the second half   induction score by head")
    for step in range(steps + 1):
        if step in SAVED:
            model.eval()
            scores = " ".join(f"{s:.2f}" for s in induction_scores(model, fresh)[1].tolist())
            print(f"{step:5d}  {second_half_loss(model, fresh):.3f}   {scores}   {time.monotonic() - began:.0f} s")
            text = torch.tensor([tokenizer(EXAMPLE_TEXT)["input_ids"]])
            example[step] = attention_of(model, text)[:, 0]
            target = folder / f"step-{step:05d}"
            model.save_pretrained(target, safe_serialization=True)
            tokenizer.save_pretrained(target)
            model.train()
        length = int(torch.randint(SHORTEST, LONGEST + 1, (1,), generator=generator))
        ids = repeated(BATCH, length, generator)
        loss = model(ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return example


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description="Trains a tiny model in which an induction head forms.")
    parser.add_argument("folder", type=Path, help="where the checkpoints go")
    parser.add_argument("--steps", type=int, default=SAVED[-1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--example", action="store_true", help="also write the example that comes with Heed")
    asked = parser.parse_args()
    found = train(asked.folder, asked.steps, asked.seed)
    if asked.example:
        path = Path(example_checkpoints.__file__).parent / example_checkpoints.CHECKPOINT_FILE
        np.savez_compressed(path, attention=np.stack(list(found.values())), steps=np.array(list(found)))


if __name__ == "__main__":
    main()
