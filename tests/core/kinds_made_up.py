"""Tiny random encoders and encoder-decoders, one line for each family, and folders of them with a word tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = "the sky is blue and deep sea green what color day night one two three four . ?".split()
SPECIALS = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]

BERT = {
    "vocab_size": 23,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "initializer_range": 0.4,
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"pad_token_id": 1},
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "mpnet": {},
}
BART = {
    "vocab_size": 23,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "decoder_start_token_id": 3,
    "init_std": 0.3,
}
T5 = {
    "vocab_size": 23,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "pad_token_id": 0,
    "eos_token_id": 3,
    "decoder_start_token_id": 0,
    "initializer_factor": 1.5,
}
ENCDECS: dict[str, dict[str, Any]] = {
    "t5": T5,
    "mt5": T5,
    "bart": BART | {"forced_eos_token_id": None},
    "marian": BART | {"decoder_start_token_id": 0},
    "mbart": BART,
    "pegasus": BART | {"decoder_start_token_id": 0},
    "m2m_100": BART,
    "blenderbot-small": BART,
}


def tokenizer() -> Any:
    """A tokenizer of whole words; text in ``<s> ... </s>``, a pair in ``<s> ... </s> ... </s>``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([*SPECIALS, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = [("<s>", 2), ("</s>", 3)]
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", special_tokens=marks)
    named = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "eos_token": "</s>",
        "bos_token": "<s>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=made, cls_token="<s>", sep_token="</s>", **named)


def tokenizer_of_t5() -> Any:
    """The same words, but only ``</s>`` behind a text, as T5 has it."""
    from tokenizers import processors

    made = tokenizer()
    behind = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", special_tokens=[("</s>", 3)])
    made.backend_tokenizer.post_processor = behind
    return made


def build_kind(family: str, head: bool = True, **extra: Any) -> Any:
    """A tiny random model of ``family`` in float32 on the eager path, in evaluation mode."""
    import transformers as hf

    torch.manual_seed(0)
    settings = ENCDECS.get(family) or BERT | ENCODERS[family]
    auto = hf.AutoModelForSeq2SeqLM if family in ENCDECS else hf.AutoModelForMaskedLM if head else hf.AutoModel
    config = hf.AutoConfig.for_model(family, **settings, **extra)
    return auto.from_config(config, attn_implementation="eager").float().eval()


def save_kind(folder: Path, family: str, **extra: Any) -> Path:
    """Saves a tiny model of ``family`` with its tokenizer, as save_pretrained does."""
    build_kind(family, **extra).save_pretrained(folder)
    (tokenizer_of_t5() if "t5" in family else tokenizer()).save_pretrained(folder)
    return folder
