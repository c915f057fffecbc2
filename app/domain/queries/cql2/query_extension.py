"""The `query` extension of STAC, an older filter language, as CQL2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidInput

_OPERATORS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in"}
_PATTERNS = {"startsWith": "{}%", "endsWith": "%{}", "contains": "%{}%"}


def query_conditions(query: Any) -> list[dict[str, Any]]:
    """The conditions of a `query` object such as `{"gsd": {"lt": 10}}`, as CQL2 JSON.

    Raises:
        InvalidInput: it has another form, or an operator that is not known.
    """
    if not isinstance(query, Mapping) or not all(isinstance(each, Mapping) for each in query.values()):
        raise InvalidInput('query is not valid: send an object of operators by property, for example {"gsd": {"lt": 10}}')
    return [_condition(name, op, value) for name, operators in query.items() for op, value in operators.items()]


def _condition(name: str, op: str, value: Any) -> dict[str, Any]:
    if op in _PATTERNS:
        text = str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return {"op": "like", "args": [{"property": name}, _PATTERNS[op].format(text)]}
    if op not in _OPERATORS:
        raise InvalidInput(
            f"query: the operator {op[:50]!r} is not supported; accepted: {', '.join((*_OPERATORS, *_PATTERNS))}"
        )
    return {"op": _OPERATORS[op], "args": [{"property": name}, value]}
