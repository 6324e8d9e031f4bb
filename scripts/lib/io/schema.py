"""Reading YAML and checking it against a schema, with problems told in plain words.

YAML as people write it: a key given twice is refused (PyYAML keeps the last without a
word), so is a key that is no text (`on` and `1` are none in YAML 1.1, which PyYAML
follows), and 1e-3 is a number (a text in YAML 1.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from engine import plain_data
from engine.errors import nearest

if TYPE_CHECKING:
    import jsonschema

_NOUNS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "null",
}
# Words for single rules of a schema; {} is the rule's value.
_RULES = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "below {}",
    "pattern": "that matches {}",
    "minItems": "with at least {} entries",
    "maxItems": "with at most {} entries",
    "minProperties": "with at least {} keys",
    "maxProperties": "with at most {} keys",
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but for keys and for numbers such as 1e-3."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            problem = None
            if not isinstance(key, str):
                problem = f"the key {key!r} in line {line} is no text; put it in quotes"
            elif key in lines:
                problem = (
                    f"the key {key!r} is given twice, in lines {lines[key]} and "
                    f"{line}; leave one of them out"
                )
            if problem:
                raise yaml.constructor.ConstructorError(problem=problem)
            lines[key] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # Each digit can be read in one way alone: else a long number takes for ever.
    re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9]+)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path, where: str) -> Any:
    """Return the content of a YAML file.

    Raises: ValueError naming the file (`where`) and line.
    """
    try:
        return plain_data.read(path, _Loader)
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}: expected YAML, received: {error}") from None


def problems(value: Any, schema: Path, where: str) -> list[str]:
    """Return a line for each thing that a schema refuses, in the order of the keys."""
    found = _validator(schema).iter_errors(value)
    lines: dict[str, None] = {}
    for error in sorted(found, key=lambda e: list(map(str, e.absolute_path))):
        error = _deepest(error)
        key = ".".join(map(str, error.absolute_path))
        for text in _explain(error):
            lines[f"{where}: {f'{key}: ' if key else ''}{text}"] = None
    return list(lines)


def _is_integer(checker: Any, value: Any) -> bool:
    """Refuse 2.0, which JSON Schema takes for an integer and range() does not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: Any, value: Any) -> bool:
    """Refuse NaN and infinity: no bound of a schema would."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


@cache
def _validator(schema: Path) -> Any:
    # Imported here: every step reads YAML, only the first checks it.
    import jsonschema

    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    )
    strict = jsonschema.validators.extend(base, type_checker=types)
    return strict(read_yaml(schema, schema.name))


def _deepest(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of a choice of schemas, take the complaint that lies deepest in the value."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def _explain(error: jsonschema.ValidationError) -> list[str]:
    """Return what was expected and what came, one text for each wrong key."""
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties" and isinstance(value, Mapping):
        known = list(error.schema.get("properties", {}))
        return [
            f"unknown key {key!r}{nearest(key, known)}; known: {', '.join(known)}"
            for key in value
            if key not in known
        ]
    if rule == "required":
        return [f"the key {key!r} is missing" for key in wanted if key not in value]
    if rule == "uniqueItems":
        return [f"expected entries that differ from each other, received {value!r}"]
    known = error.schema.get("enum") or error.schema.get("examples") or []
    hint = nearest(value, map(_word, known)) if isinstance(value, str) else ""
    return [f"expected {_expected(error.schema)}, received {value!r}{hint}"]


def _expected(schema: Mapping[str, Any]) -> str:
    """Say in words what a part of a schema accepts."""
    if "enum" in schema:
        return f"one of {', '.join(_word(word) for word in schema['enum'])}"
    if "const" in schema:
        return _word(schema["const"])
    kinds = schema.get("type", "a value")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    text = " or ".join(_NOUNS.get(kind, kind) for kind in kinds)
    if "description" in schema:
        return f"{text}: {schema['description']}"
    rules = [words.format(schema[r]) for r, words in _RULES.items() if r in schema]
    if schema.get("minLength"):
        rules.append("that is not empty")
    return " ".join([text, " and ".join(rules)]).strip()


def _word(value: Any) -> str:
    """Return a value as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
