"""Expressions of CQL2: parsed from text or JSON, checked, and evaluated on tiles."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cql2

from app.domain.queries.cql2.operators import OPERATORS
from app.domain.queries.cql2.values import Read, literal, plain_name, read_property
from app.domain.tiles import Tile
from app.errors import InvalidInput

TEXT, JSON = "cql2-text", "cql2-json"
LANGUAGES = (TEXT, JSON)
MAX_TEXT = 100_000
MAX_NESTED = 500
"""Operators and parentheses of a text: the parser recurses, and a deeper nesting would overflow its stack."""
MAX_DEPTH = 100
_NESTING = re.compile(r"[(+*/^%]|-(?!\s*[\d.])|\b(?:and|or|not|div|casei|accenti)\b", re.IGNORECASE)
_LOGICAL = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Expression:
    """A filter of tiles. text: its CQL2 JSON in a canonical form, by which filters are compared. names: of its properties."""

    text: str
    names: frozenset[str] = field(compare=False)
    read: Read = field(compare=False, repr=False)

    def accepts(self, tile: Tile) -> bool:
        """Whether a tile qualifies; a condition on a property that the tile has not is unknown, so the tile does not."""
        return self.read(tile) is True

    def given(self, name: str, value: str) -> Expression:
        """The expression with the value of a property that is the same for all tiles."""
        return parse_expression(_substituted(self.json, name, value)) if name in self.names else self

    @property
    def json(self) -> Any:
        """The expression as CQL2 JSON."""
        return json.loads(self.text)


def parse_expression(value: str | Mapping[str, Any], language: str | None = None) -> Expression:
    """Parse a filter. language: one of `LANGUAGES`; by default JSON for an object and text for a text.

    Raises:
        InvalidInput: the language is another one, or the filter is not valid; the message says where.
    """
    if language not in (None, *LANGUAGES):
        raise InvalidInput(f"filter-lang {language!r} is not supported; accepted: {', '.join(LANGUAGES)}")
    tree: Any = value
    if isinstance(value, str):
        is_json = language == JSON or (language is None and value.lstrip().startswith("{"))
        tree = _json(value) if is_json else _text(value)
    names: set[str] = set()
    read = _compiled(tree, names, 0)
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise InvalidInput("filter: it contains characters that are not valid Unicode") from None
    return Expression(json.dumps(tree, sort_keys=True), frozenset(names), read)


def _substituted(node: Any, name: str, value: str) -> Any:
    if isinstance(node, list):
        return [_substituted(each, name, value) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("property"), str) and plain_name(node["property"]) == name:
        return value
    return {key: _substituted(each, name, value) for key, each in node.items()}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("filter is not valid JSON: send CQL2 JSON, or CQL2 text with filter-lang=cql2-text") from None


def _text(text: str) -> Any:
    if len(text) > MAX_TEXT or len(_NESTING.findall(text)) > MAX_NESTED:
        raise InvalidInput(f"filter: the text is too long or has more than {MAX_NESTED} operators; send it as cql2-json")
    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InvalidInput(f"filter {text[:100]!r} is not valid CQL2: {reason}") from None


def _compiled(node: Any, names: set[str], depth: int) -> Read:
    """The reader of an expression; adds the properties that it reads to `names`."""
    if depth > MAX_DEPTH:
        raise InvalidInput(f"filter: nested more than {MAX_DEPTH} deep")
    if isinstance(node, list) and any(isinstance(each, list | Mapping) for each in node):
        parts = [_compiled(each, names, depth + 1) for each in node]
        return lambda tile: [part(tile) for part in parts]
    if not isinstance(node, Mapping):
        return lambda _: node
    if "property" in node:
        if not isinstance(node["property"], str):
            raise InvalidInput("filter: the name of a property is not a text")
        names.add(plain_name(node["property"]))
        return read_property(node["property"])
    if "op" in node:
        return _operation(str(node["op"]).lower(), node.get("args"), names, depth)
    value = literal(dict(node))
    return lambda _: value


def _operation(name: str, args: Any, names: set[str], depth: int) -> Read:
    if name not in OPERATORS and name not in _LOGICAL:
        raise InvalidInput(
            f"filter: the operator {name[:50]!r} is not supported; accepted: {', '.join((*_LOGICAL, *OPERATORS))}"
        )
    if name == "between" and isinstance(args, list) and len(args) == 2 and isinstance(args[1], list):
        args = [args[0], *args[1]]  # as in drafts of CQL2
    needed = 1 if name == "not" else 0 if name in _LOGICAL else OPERATORS[name][0]
    if not isinstance(args, list) or not args or (needed and len(args) != needed):
        raise InvalidInput(f"filter: the operator {name!r} needs {needed or 'a list of'} operands in `args`")
    parts = [_compiled(each, names, depth + 1) for each in args]
    if name == "not":
        return lambda tile: _not(parts[0](tile))
    if name in _LOGICAL:
        return lambda tile: _decided(parts, tile, decisive=name == "or")
    apply = OPERATORS[name][1]
    return lambda tile: apply(*(part(tile) for part in parts))


def _not(value: Any) -> bool | None:
    return not value if isinstance(value, bool) else None


def _decided(parts: list[Read], tile: Tile, decisive: bool) -> bool | None:
    """`decisive` as soon as one part has this value, else its opposite; None if the parts that are unknown could change it."""
    result: bool | None = not decisive
    for part in parts:
        value: object = part(tile)
        if value is decisive:
            return decisive
        if value is not (not decisive):
            result = None
    return result
