"""Trains the small T5 that comes with Heed: it writes dates as ISO 8601, and its cross-attention can be checked.

    python -m scripts.train_date_model [--folder FOLDER] [--steps 4500] [--threads 1] [--measure]

About six minutes on one core; more threads help little with matrices this small. Seeds are fixed; the last bits still
depend on the processor and on torch's version. Measured at the end, on days that were never trained on: how many dates
are written right, and where the cross-attention of each piece (year, month, day) falls; it is printed and stands in the
model's README.md. ``--measure`` trains nothing and measures the model in the folder. Guarded by
tests/core/test_dates_model.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.written_dates import FORMATS, OUTPUT, PIECES, WrittenDate, dates_tokenizer, random_dates

FOLDER = Path(__file__).resolve().parent.parent / "core" / "models" / "data" / "dates-t5"
STEPS, BATCH, RATE, SEED = 4500, 64, 2e-3, 20
TRAINED, HELD_OUT = 100_000, 2000

CARD = """# Written dates to ISO dates

A T5 of {parameters:,} parameters (two layers a side, four heads, width 96) that reads a date as people write it,
`the 3rd of March 1998`, and writes `1998-03-03`. It was made for Heed, as an encoder-decoder whose cross-attention can
be *checked*: where a date says its year, month and day is known. It knows English dates and the few words that its
tokenizer has, and it writes some date for any text at all.

* **Made by** `python -m scripts.train_date_model` in Heed's repository: {steps} steps of {batch} dates, about five
  minutes on one core. The dates are generated ({formats} ways of writing them, years 1000 to 2999, two digits mean 1950
  to 2049; 3/4/1998 is read as in the United States, 3.4.1998 as in Europe); no text of anybody's was used. Attention
  had no part in the loss.
* **Tokens**: one for a word, a sign and a digit; `</s>` behind the text.
* **Right answers**: {exact:.2%} of {held_out} dates of days that were never trained on (one day of eleven).
* **Licence**: Apache-2.0, as Heed.

## Where its cross-attention falls

The share of attention on the input tokens that say the piece, while its digits are written, and how often the largest
weight lies on one of them (mean over the same dates and the digits of the piece; the row of a digit is that of the
query that predicts it):

{table}
So one head ({best}) reads year, month and day where they stand. The mean over all layers and heads does so
less: while the first digit of the month is written, most heads read `</s>`, and for the first digits of a year of two
digits the sign before it. The encoder can carry there what the decoder needs, and the map alone does not tell.
"""


def make_model(tokenizer: Any) -> Any:
    """Returns the untrained model: T5 with two layers a side."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=96,
        d_kv=24,
        d_ff=192,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        dropout_rate=0.1,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    return T5ForConditionalGeneration(config)


def encode_dates(tokenizer: Any, dates: Sequence[WrittenDate]) -> dict[str, torch.Tensor]:
    """Returns input_ids, attention_mask and labels (-100 where padded) of dates, for transformers."""
    read = tokenizer([d.text for d in dates], padding=True, return_tensors="pt")
    told = tokenizer([d.iso for d in dates], return_tensors="pt").input_ids
    return {"input_ids": read.input_ids, "attention_mask": read.attention_mask, "labels": told}


def train(model: Any, tokenizer: Any, steps: int) -> Iterator[tuple[int, float]]:
    """Trains in place; yields (step, loss) now and then."""
    pool = encode_dates(tokenizer, random_dates(TRAINED, SEED, held_out=False))
    # a rate that warms up and falls; no weight decay, which T5 has not either
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    draw = torch.Generator().manual_seed(SEED)
    model.train()
    for step in range(1, steps + 1):
        picked = torch.randint(TRAINED, (BATCH,), generator=draw)
        batch = {name: values[picked] for name, values in pool.items()}
        longest = int(batch["attention_mask"].sum(1).max())
        batch |= {name: batch[name][:, :longest] for name in ("input_ids", "attention_mask")}
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step == 1 or step % 250 == 0:
            yield step, loss.item()
    model.eval()


def write_iso(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """Returns what the model writes for each text, greedily."""
    read = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**read, max_new_tokens=12, do_sample=False)
    return tokenizer.batch_decode(ids, skip_special_tokens=True)


def cross_alignment(model: Any, tokenizer: Any, dates: Sequence[WrittenDate]) -> tuple[np.ndarray, np.ndarray]:
    """Measures where the cross-attention of each output piece falls, while the right answer is read.

    A piece is the digits of year, month or day; right are the input tokens that hold its characters. The row of an
    output token is that of the query which predicts it. Returns (share on the right tokens, how often the largest
    weight is on one of them), both float [piece, layer, head + 1], means over dates and digits; the last head is the
    mean of all heads. The last layer is the mean of all layers and heads in its last cell. ``model`` must be loaded
    with ``attn_implementation="eager"``.
    """
    batch = encode_dates(tokenizer, dates)
    with torch.no_grad():
        rows = torch.stack(model(**batch, output_attentions=True).cross_attentions, 1)  # [date, layer, head, out, in]
    by_layer = torch.cat([rows, rows.mean(2, keepdim=True)], 2)
    all_of_them = rows.mean((1, 2), keepdim=True).expand(-1, 1, by_layer.shape[2], -1, -1)
    weights = torch.cat([by_layer, all_of_them], 1).numpy()
    spans = tokenizer([d.text for d in dates], padding=True, return_offsets_mapping=True)["offset_mapping"]
    told = tokenizer("2000-01-01", return_offsets_mapping=True)["offset_mapping"]
    share, best = [], []
    for piece in PIECES:
        first, last = OUTPUT[piece]
        out = [i for i, (a, b) in enumerate(told) if b > a and first <= a < last]
        right = np.array([_inside(d.spans[piece], row) for d, row in zip(dates, spans, strict=True)])
        rows_of_piece = weights[:, :, :, out]
        share.append((rows_of_piece * right[:, None, None, None]).sum(-1).mean((0, 3)))
        hit = np.take_along_axis(right, rows_of_piece.argmax(-1).reshape(len(dates), -1), 1)
        best.append(hit.reshape(rows_of_piece.shape[:4]).mean((0, 3)))
    return np.array(share), np.array(best)


def _inside(span: tuple[int, int], tokens: Sequence[tuple[int, int]]) -> list[bool]:
    """Returns which tokens hold characters of the span."""
    return [end > start and start < span[1] and end > span[0] for start, end in tokens]


def alignment_table(share: np.ndarray, best: np.ndarray) -> str:
    """Returns both measures as a Markdown table: rows are heads, columns are pieces."""
    lines = [f"| cross-attention | {' | '.join(PIECES)} | mean |", "|---|" + "---|" * (len(PIECES) + 1)]
    layers, heads = share.shape[1] - 1, share.shape[2] - 1
    cells = [(f"layer {n}, head {h}", n, h) for n in range(layers) for h in range(heads)]
    cells += [(f"layer {n}, mean of heads", n, heads) for n in range(layers)]
    cells += [("mean of all layers and heads", layers, heads)]
    for name, layer, head in cells:
        pairs = [*zip(share[:, layer, head], best[:, layer, head], strict=True)]
        pairs.append((share[:, layer, head].mean(), best[:, layer, head].mean()))
        lines.append(f"| {name} | " + " | ".join(f"{a:.3f} / {b:.3f}" for a, b in pairs) + " |")
    return "\n".join(lines) + "\n"


def measure(folder: Path) -> str:
    """Measures the saved model on days that were never trained on and returns its model card in Markdown."""
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    model = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    dates = random_dates(HELD_OUT, SEED + 1, held_out=True)
    written = write_iso(model, tokenizer, [d.text for d in dates])
    share, best = cross_alignment(model, tokenizer, dates)
    of_heads = share[:, :-1, :-1].mean(0)
    layer, head = np.unravel_index(of_heads.argmax(), of_heads.shape)
    return CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        steps=STEPS,
        batch=BATCH,
        formats=len(FORMATS),
        exact=np.mean([w == d.iso for w, d in zip(written, dates, strict=True)]),
        held_out=HELD_OUT,
        table=alignment_table(share, best),
        best=f"layer {layer}, head {head}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and saves the model, measures what was saved, and writes its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", action="store_true", help="train nothing")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    torch.manual_seed(SEED)
    if not asked.measure:
        tokenizer = dates_tokenizer()
        model = make_model(tokenizer)
        began = time.monotonic()
        for step, loss in train(model, tokenizer, asked.steps):
            sys.stdout.write(f"step {step}, loss {loss:.4f}, {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
        model.save_pretrained(asked.folder)
        tokenizer.save_pretrained(asked.folder)
    card = measure(asked.folder)
    (asked.folder / "README.md").write_text(card, encoding="utf-8")
    sys.stdout.write(card)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
