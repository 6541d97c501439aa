"""Checks JSON in an answer against a person's JSON schema (library jsonschema), without reaching for the network.

A schema may refer to its own parts only, and its patterns run with the time limit of own metrics. Guarded by
tests/core/test_quality_own_metric.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex

from ...errors import PromptError
from ...models.config_limits import nested_pairs
from ...text.timed_patterns import compile_bounded

_NO_JSON = object()


def check_json_schema(name: str, text: str) -> None:
    """Raises PromptError, one sentence that names the metric, where ``text`` is no JSON schema that can be used."""
    from jsonschema.exceptions import SchemaError

    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"The JSON schema of “{name}” is no JSON ({error}): mend it there.") from error
    if not isinstance(schema, dict):
        raise PromptError(f'The JSON schema of “{name}” must be an object, for example {{"type": "object"}}.')
    for key, value in nested_pairs(schema):
        if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
            raise PromptError(f"The JSON schema of “{name}” refers to {value[:60]}: put that part into its own $defs.")
        if key == "patternProperties":
            raise PromptError(f"The JSON schema of “{name}” has patternProperties: use properties or propertyNames.")
        if key == "pattern" and isinstance(value, str):
            try:
                compile_bounded(value)
            except PromptError as error:
                raise PromptError(f"A pattern in the JSON schema of “{name}” cannot be used. {error}") from error
    try:
        kind = _validator_class(json.dumps(schema.get("$schema", "")))
        kind.check_schema(schema)
        for sample in ("{}", "[]", '""', "0"):
            matches_json_schema(text, sample, True, 0.5)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise PromptError(f"The JSON schema of “{name}” is not valid at {where}: {error.message[:200]}.") from error
    except RecursionError as error:
        raise PromptError(f"The JSON schema of “{name}” refers to itself without end: mend its $ref.") from error
    except TimeoutError:
        pass  # said of the answers on which it happens
    except Exception as error:  # a reference to a part that is not there; the class differs between versions
        raise PromptError(f"The JSON schema of “{name}” cannot be followed ({str(error)[:120]}): mend it.") from error


def matches_json_schema(text: str, answer: str, whole: bool, seconds: float) -> tuple[bool, bool]:
    """Returns (whether JSON in ``answer`` fits the schema ``text``, whether JSON was found that is complete).

    ``whole``: all of the answer must be JSON; else the first object or list in it counts. Raises TimeoutError where a
    pattern takes longer than ``seconds``.
    """
    found = _whole(answer) if whole else _first(answer)
    if found is _NO_JSON:
        return False, False
    return _validator(text, seconds).is_valid(found), True


def _whole(answer: str) -> Any:
    try:
        return json.loads(answer.strip(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NO_JSON


def _first(answer: str) -> Any:
    reader = json.JSONDecoder(parse_constant=_refuse)
    for at in (i for i, letter in enumerate(answer) if letter in "{["):
        try:
            return reader.raw_decode(answer, at)[0]
        except (ValueError, RecursionError):
            continue
    return _NO_JSON


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


@lru_cache(64)
def _validator(text: str, seconds: float) -> Any:
    from jsonschema.validators import extend
    from referencing import Registry

    def fits(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
        from jsonschema.exceptions import ValidationError

        if isinstance(value, str) and regex.search(pattern, value, timeout=seconds) is None:
            yield ValidationError("it does not fit the pattern")

    schema = json.loads(text)
    kind = extend(_validator_class(json.dumps(schema.get("$schema", ""))), {"pattern": fits})
    return kind(schema, registry=Registry())  # an empty registry: without one, the library would fetch a $ref


@lru_cache(8)
def _validator_class(draft: str) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for({"$schema": json.loads(draft)}, default=Draft202012Validator)
