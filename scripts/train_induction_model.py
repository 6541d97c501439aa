"""Trains a tiny model in which an induction head forms, and keeps checkpoints from before, during and after.

    python -m scripts.train_induction_model [--folder FOLDER] [--threads 1]

Two minutes on one core. It reads random words in which a stretch comes again. Nothing but the repeat can be predicted,
and to predict it a head must find the earlier place of the word just read and look at the word behind it: an induction
head (Elhage et al. 2021, A Mathematical Framework for Transformer Circuits; Olsson et al. 2022, In-context Learning and
Induction Heads). Each checkpoint is a folder that transformers loads, ``step-00400``. Printed for each: the loss on
new and on repeated words, and the score of every head. ``scripts.make_example_checkpoints`` makes of them what ships
with Heed. Guarded by tests/core/test_maps_example_checkpoints.py.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.settings import home_path

_EVERYDAY = """
a about after again all and answer apple are at away bag bank be bear bell best big bird black blue boat book bottle
box boy bread bridge bright brother brown bus but by cake call came can car cat chair child city clean clear cloud coat
coffee cold come corn count cup dark day deep dog door down dress drink dry duck early earth eat egg evening every eye
fall family farm fast field find fire first fish floor flower food for forest found fox friend from fruit full garden
gave girl glad glass go gold good grass green ground had hall hand happy has hat he hear heavy help her here high hill
his home horse hot house how i ice in is island it job key kind king kitchen know lake lamp land large late leaf left
letter light like line little live long look lost made man map market may meat milk mirror money moon more morning
mother mountain mouse music my name near neck never new next night no north not now of old on one open or our out over
page paper park past people picture place plant play pond poor queen quick quiet rain read red rice ring river road
rock roof room rose round run said sand sang school sea see seed ship shoe shop short she silver sing sister sky sleep
slow small snow so soft song soon south spoon spring star stone store street strong summer sun sweet table tail tall
tea that the there they thin this three time today told town train tree two under up us village voice walk wall warm
was water we went were west wet what when where white who wild wind window winter with wolf wood word year yellow you
young
"""
WORDS = _EVERYDAY.split()
"""Everyday words, so that what a head reads can be read."""

SIGNS = (".", ",", "▁.", "▁,")
BEGIN, UNKNOWN, PAD = "<s>", "<unk>", "<pad>"
LENGTH, BATCH, RATE, SEED = 64, 32, 1e-3, 7
CHECKPOINTS = (0, 50, 100, 200, 400, 600, 800, 900, 1000, 1040, 1080, 1120, 1160, 1200, 1400, 2000, 3000)
"""Steps that are kept, close together where the loss on repeated words falls."""
COPY = 24
"""Words of the stretch on which scores are measured: the begin token, the stretch, the stretch again."""


@dataclass(frozen=True)
class Measured:
    """What a checkpoint is worth: mean loss (nats) on new and repeated words, and a score a head, [layer, head]."""

    new: float
    repeated: float
    induction: np.ndarray
    """Mean weight that a word of the second copy gives to the word behind its own first place."""
    previous: np.ndarray
    """Mean weight that a word gives to the word before it."""


def words_tokenizer() -> Any:
    """Returns the tokenizer: one token a word (with the space before it, ▁) or sign, ``<s>`` in front."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = [PAD, BEGIN, UNKNOWN, *(f"▁{word}" for word in WORDS), *SIGNS]
    ids = {token: i for i, token in enumerate(named)}
    made = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    made.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(r"▁?\p{L}+|▁?[^\p{L}▁]|▁"), "isolated"),
        ]
    )
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, ids[BEGIN])])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=BEGIN, pad_token=PAD, unk_token=UNKNOWN, model_max_length=256
    )


def make_model(tokenizer: Any) -> Any:
    """Returns the untrained model: a Llama of two layers with four heads each and hardly any MLP."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=None,
    )
    return LlamaForCausalLM(config)


def repeating_batch(tokenizer: Any, draw: torch.Generator) -> torch.Tensor:
    """Returns token ids [BATCH, LENGTH]: ``<s>``, random words, and in them one stretch that comes twice.

    Length, place and distance of the stretch differ, so that no fixed place predicts it.
    """
    first = len((PAD, BEGIN, UNKNOWN))
    ids = torch.randint(first, len(tokenizer), (BATCH, LENGTH), generator=draw)
    ids[:, 0] = tokenizer.bos_token_id
    for row in ids:
        size = int(torch.randint(6, 27, (), generator=draw))
        start = int(torch.randint(1, LENGTH - 2 * size + 1, (), generator=draw))
        again = int(torch.randint(start + size, LENGTH - size + 1, (), generator=draw))
        row[again : again + size] = row[start : start + size].clone()
    return ids


def measure(model: Any, tokenizer: Any) -> Measured:
    """Measures a model on 64 stretches that are always the same ones."""
    draw = torch.Generator().manual_seed(SEED + 1)
    stretch = torch.randint(3, len(tokenizer), (64, COPY), generator=draw)
    ids = torch.cat([torch.full((64, 1), tokenizer.bos_token_id), stretch, stretch], 1)
    with torch.no_grad():
        out = model(input_ids=ids, output_attentions=True)
    logs = torch.log_softmax(out.logits[:, :-1], -1).gather(2, ids[:, 1:, None])[..., 0]
    rows = torch.stack(out.attentions).mean(1)  # [layer, head, query, key]
    second = torch.arange(COPY + 1, 2 * COPY + 1)
    return Measured(
        new=-float(logs[:, :COPY].mean()),
        repeated=-float(logs[:, COPY + 1 :].mean()),  # the first word of the copy cannot be known
        induction=rows[:, :, second, second - COPY + 1].mean(-1).numpy(),
        previous=rows[:, :, second, second - 1].mean(-1).numpy(),
    )


def train(model: Any, tokenizer: Any, steps: Sequence[int], keep: Callable[[int], None]) -> None:
    """Trains in place to the last of ``steps`` and calls ``keep`` with the number of every step in it."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    draw = torch.Generator().manual_seed(SEED)
    for step in range(max(steps) + 1):
        if step in steps:
            model.eval()
            keep(step)
            model.train()
        ids = repeating_batch(tokenizer, draw)
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, saves the checkpoints, and prints how the heads change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=home_path() / "checkpoints" / "induction")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    torch.manual_seed(SEED)
    tokenizer = words_tokenizer()
    model = make_model(tokenizer)
    model.set_attn_implementation("eager")  # sdpa returns no weights to measure
    began = time.monotonic()
    sys.stdout.write(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens\n")

    def keep(step: int) -> None:
        folder = asked.folder / f"step-{step:05}"
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found = measure(model, tokenizer)
        heads = "; ".join(" ".join(f"{value:.2f}" for value in layer) for layer in found.induction)
        before = "; ".join(" ".join(f"{value:.2f}" for value in layer) for layer in found.previous)
        sys.stdout.write(
            f"step {step:5}  loss new {found.new:.3f}, repeated {found.repeated:.3f}  induction {heads}  "
            f"previous {before}  {time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.flush()

    train(model, tokenizer, CHECKPOINTS, keep)
    sys.stdout.write(f"{asked.folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
