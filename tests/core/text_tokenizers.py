"""Tokenizers for the tests of core/text: two real ones from tests/data, tiny ones trained here, several chat templates."""

from __future__ import annotations

import functools
import json
import lzma
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

DATA = Path(__file__).resolve().parent.parent / "data" / "tokenizers"

CORPUS = [
    "Hello world, what color is the sky? The sky is blue.",
    "Write a six-word story about love. Once upon a time there was a model.",
    "<s>[INST] system user assistant model You are a helpful assistant. Today Date: 21 Nov 2026",
] * 20

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are Tiny, a helpful model.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLAIN_CHATML = CHATML.replace("You are Tiny, a helpful model.", "").replace(
    "{% if loop.first and m['role'] != 'system' %}{{ '<|im_start|>system\n<|im_end|>\n' }}{% endif %}", ""
)
LLAMA3 = (
    "{{ bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content']|trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\n\n' }}"
    "{{ 'Cutting Knowledge Date: December 2023\nToday Date: ' + date_string + '\n\n' }}{{ system }}{{ '<|eot_id|>' }}"
    "{%- for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content']|trim + '<|eot_id|>' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
FIXED_DATE = LLAMA3.replace("strftime_now is defined", "false").replace(
    "{%- endif %}{%- endif %}{%- if messages[0]",
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{%- if messages[0]",
    1,
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
QWEN3 = (
    "{%- for m in messages %}{%- set content = m.content %}"
    "{%- if m.role == 'assistant' and '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
R1 = QWEN3.replace(
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}",
    "{{- '<think>\n' }}",
)
VICUNA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% set messages = messages[1:] %}"
    "{% else %}{{ 'A chat between a curious user and a helpful assistant.' }}{% endif %}"
    "{% for m in messages %}{{ ' USER: ' + m['content'] if m['role'] == 'user' else ' ASSISTANT: ' + m['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SHOUTING = ZEPHYR.replace("m['content']", "m['content'] | upper")
SMOLLM3 = PLAIN_CHATML.replace(
    "{% for m", "{{ 'mode: off\n' if '/no_think' in messages[0].content else 'mode: on\n' }}{% for m", 1
)
NOTED = CHATML.replace(
    "helpful model.<|im_end|>\n' }}{% endif %}",
    "helpful model.<|im_end|>\n' }}{% endif %}{% if loop.first %}{{ 'Chat:\n' }}{% endif %}",
)
TEMPLATES = {
    "chatml": CHATML,
    "plain": PLAIN_CHATML,
    "llama3": LLAMA3,
    "fixed": FIXED_DATE,
    "gemma": GEMMA,
    "qwen3": QWEN3,
    "r1": R1,
    "vicuna": VICUNA,
    "zephyr": ZEPHYR,
    "shouting": SHOUTING,
    "noted": NOTED,
    "smollm3": SMOLLM3,
}
CONTROL = (
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
REAL = {"smollm2": ("<|im_start|>", "<|im_end|>"), "qwen": ("<|endoftext|>", "<|im_end|>")}


@functools.cache
def real(name: str) -> Any:
    """The tokenizer of ``smollm2`` or ``qwen``, with its own template."""
    bos, eos = REAL[name]
    packed = (DATA / name / "tokenizer.json.xz").read_bytes()
    inner = Tokenizer.from_str(lzma.decompress(packed).decode())
    template = (DATA / name / "chat_template.jinja").read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=bos, eos_token=eos, chat_template=template)


def _finish(inner: Tokenizer, template: str | None, bos: str = "<s>", eos: str = "</s>", **more: Any) -> Any:
    inner.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    inner.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=bos, eos_token=eos, chat_template=TEMPLATES.get(template or ""), **more
    )


def _bos_first(inner: Tokenizer, bos: str = "<s>") -> None:
    inner.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, inner.token_to_id(bos))]
    )


@functools.cache
def bytelevel(template: str | None = None, *, bos: bool = False, prefix_space: bool = False, trim: bool = False) -> Any:
    """A tokenizer like GPT-2's: byte-level BPE, every text comes back exactly."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, trim_offsets=trim)
    inner.decoder = decoders.ByteLevel()
    if trim:
        inner.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=420, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False
        ),
    )
    if bos:
        _bos_first(inner)
    return _finish(inner, template)


@functools.cache
def sentencepiece(template: str | None = None, *, bos: bool = True, nfkc: bool = False) -> Any:
    """A tokenizer like Llama 2's: ▁ for spaces, one put in front, bytes for unknown characters."""
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), *steps] if nfkc else steps)
    inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # while learning only, so that words stay apart
    inner.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=450, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    )
    inner.pre_tokenizer = None
    learned = json.loads(inner.to_str())["model"]
    vocabulary = learned["vocab"] | {f"<0x{b:02X}>": len(learned["vocab"]) + b for b in range(256)}
    merges = [tuple(m) for m in learned["merges"]]
    inner.model = models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    if bos:
        _bos_first(inner)
    return _finish(inner, template, unk_token="<unk>")


@functools.cache
def unigram(template: str | None = None) -> Any:
    """A tokenizer like T5's: unigram over Metaspace, spaces merged, unknown characters lost."""
    inner = Tokenizer(models.Unigram())
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\n", " ")])
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    inner.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    return _finish(inner, template, unk_token="<unk>")


@functools.cache
def wordpiece(*, lower: bool = True) -> Any:
    """A tokenizer like BERT's: lower case, spaces dropped."""
    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=lower)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.train_from_iterator(
        CORPUS,
        trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False),
    )
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", inner.token_to_id("[CLS]")), ("[SEP]", inner.token_to_id("[SEP]"))],
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="[CLS]", eos_token="[SEP]", unk_token="[UNK]")


def slow() -> Any:
    """A tokenizer in Python, without offsets: one token a byte."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()
