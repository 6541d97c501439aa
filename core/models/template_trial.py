"""Tries a chat template of an unknown model in a process that can be ended, before the app renders it itself.

A chat template is a program that comes with a model. Jinja's sandbox keeps it from files and from Python, but not from
counting to 10**12 or from writing gigabytes, and inside the app nothing could stop it. So a template that this machine
has not seen is rendered once in a child process with little memory and time, over talks of several shapes. What passed
is remembered by the template's hash, in this process and below HEED_MODELS (``templates/``). A template that only
misbehaves on one particular talk is not found out (docs/threat-model.md). Models of the catalogue are pinned by hash
and not tried. Guarded by tests/core/test_models_template_trial.py.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ..ended_process import limit_process
from ..errors import HeedError, ModelError
from ..processes import module_command, module_environment
from ..settings import models_path
from . import paths

LONGEST_TEMPLATE = 500_000
"""Most characters of a template; the longest published ones have some 30,000."""
LONGEST_RENDERED = 1_000_000
"""Most characters that it may make of a talk of a few words."""
TRIAL_SECONDS = 5
"""Seconds of processor time that all talks may take together; a template takes some milliseconds."""
TRIAL_BYTES = 1 << 30
"""Memory that the child may have."""
PATIENCE_SECONDS = 60
"""Seconds after which the child is ended, however busy the machine is."""
TRIAL_VERSION = 1
"""Raise it when the trial asks for more, so that templates are tried again."""

_TALKS = (
    ("user",),
    ("system", "user"),
    ("user", "assistant"),
    ("system", "user", "assistant", "user"),
    ("user", "assistant") * 20,
)


def check_chat_template(template: str | None, label: str) -> None:
    """Raises ModelError, one sentence, where rendering ``template`` of the model ``label`` does not end in bounds."""
    if not template:
        return
    if len(template) > LONGEST_TEMPLATE:
        raise ModelError(
            f"The chat template of {label} has {len(template):,} characters, more than {LONGEST_TEMPLATE:,}: "
            "take the model's own template, or pick another model."
        )
    wrong = _tried(template)
    if wrong:
        raise ModelError(
            f"The chat template of {label} {wrong}, so it is not used: take the model's own template, "
            "or pick another model."
        )


@lru_cache(maxsize=64)
def _tried(template: str) -> str:
    """Returns what is wrong with the template, from what is remembered or from a trial; empty: it passed."""
    digest = hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
    note = models_path() / "templates" / f"{digest[:40]}.json"
    if paths.read_json_file(note).get("passed") == TRIAL_VERSION:
        return ""
    wrong = try_template(template)
    if not wrong:
        with suppress(HeedError, OSError):  # in a read-only home it is only tried again
            paths.make_folder("templates")
            paths.write_json_file(note, {"passed": TRIAL_VERSION})
    return wrong


def try_template(template: str, seconds: float = TRIAL_SECONDS, memory: int = TRIAL_BYTES) -> str:
    """Renders ``template`` in a child process; returns what went wrong as half a sentence, empty where nothing did."""
    asked = json.dumps({"template": template, "seconds": seconds, "memory": memory})
    try:
        done = subprocess.run(
            module_command("models.template_trial"),
            input=asked.encode(),
            capture_output=True,
            timeout=min(PATIENCE_SECONDS, 12 * seconds),
            env=module_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _ENDLESS
    told = done.stdout.decode("utf-8", "replace").strip()
    return "" if told == "passed" else _SAID.get(told, _ENDLESS)


_ENDLESS = "does not come to an end"
_SAID = {"memory": "takes more memory than it may", "long": f"writes more than {LONGEST_RENDERED:,} characters"}


def main() -> int:
    """Reads {template, seconds, memory} as JSON from stdin; prints ``passed``, ``memory`` or ``long``."""
    asked = json.load(sys.stdin)
    limit_process(float(asked["seconds"]), int(asked["memory"]))
    try:
        longest = render_talks(str(asked["template"]))
    except MemoryError:
        verdict = "memory"
    else:
        verdict = "passed" if longest <= LONGEST_RENDERED else "long"
    sys.stdout.write(verdict)
    sys.stdout.flush()
    return 0


def render_talks(template: str) -> int:
    """Renders the template over talks of several shapes; returns the length of the longest text, 0 if it refuses all.

    The environment is that of transformers, without its tag for training.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from ..text.chat_template import TRACKING_TAG

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **more: json.dumps(value)
    environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: "2026-11-21"}
    try:
        ready = environment.from_string(TRACKING_TAG.sub("", template))
    except (TemplateError, RecursionError):
        return 0
    longest = 0
    for roles in _TALKS:
        for more in ({}, {"enable_thinking": False, "thinking": True, "reasoning_effort": "low"}):
            longest = max(longest, _length(ready, roles, more))
    return longest


def _length(ready: Any, roles: tuple[str, ...], more: dict[str, Any]) -> int:
    messages = [{"role": role, "content": f"A few words of the {role}."} for role in roles]
    length = 0
    try:
        for piece in ready.generate(messages=messages, add_generation_prompt=roles[-1] != "assistant", **more):
            length += len(piece)
            if length > LONGEST_RENDERED:
                return length
    except MemoryError:
        raise
    except Exception:  # a template refuses talks in its own way; the app tells it when it is asked for one
        return length
    return length


def _refuse(message: str) -> None:
    raise ValueError(message)


if __name__ == "__main__":
    sys.exit(main())
