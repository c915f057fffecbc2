"""Calls a route whose arguments are plain parameters, without FastAPI's general solving of dependencies.

FastAPI examines each parameter of a route and its dependencies at every request, which takes longer than a search of a
thousand tiles. Here only the parameters that a request has are validated. A request that is not valid is passed to FastAPI,
which reports the errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast, get_type_hints

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.security.base import SecurityBase
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_PLAIN = ("string", "integer", "number", "boolean", "null")
_CONSTANTS = str | int | float | None
_MISSING = object()


class _NotValid(Exception):
    """A parameter is missing or not valid."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """validate: returns the value and the errors. default: `_MISSING` if it is required."""

    name: str
    alias: str
    is_in_path: bool
    validate: Callable[[Any], tuple[Any, Any]]
    default: Any

    def value(self, request: Request) -> Any:
        given = (request.path_params if self.is_in_path else request.query_params).get(self.alias)
        if given is None:
            if self.default is _MISSING:
                raise _NotValid(self.alias)
            return self.default
        value, errors = self.validate(given)
        if errors:
            raise _NotValid(self.alias)
        return value


@dataclass(frozen=True, slots=True)
class _Call:
    """A function with its arguments. request: name of the argument for the request."""

    function: Callable[..., Any]
    parameters: tuple[_Parameter, ...]
    inner: tuple[tuple[str, _Call], ...]
    request: str | None

    async def arguments(self, request: Request, known: dict[Any, Any]) -> dict[str, Any]:
        """The arguments. known: values of the functions that were called for this request."""
        values: dict[str, Any] = {}
        for name, call in self.inner:
            if call.function not in known:
                known[call.function] = await call.function(**await call.arguments(request, known))
            values[name] = known[call.function]
        for parameter in self.parameters:
            values[parameter.name] = parameter.value(request)
        if self.request is not None:
            values[self.request] = request
        return values


def direct_handler(dependant: Dependant, general: Handler) -> Handler:
    """A handler that answers as `general` does, and calls it for a request that is not valid.

    It is `general` itself for a route that declares headers, cookies or a body, has dependencies that are not coroutines, or
    returns anything but a response.
    """
    call = _compiled(dependant)
    if call is None or not _returns_response(call.function):
        return general
    is_coroutine = inspect.iscoroutinefunction(call.function)

    async def handle(request: Request) -> Response:
        try:
            arguments = await call.arguments(request, {})
        except Exception:  # noqa: BLE001 - FastAPI repeats it, and reports all errors
            return await general(request)
        if is_coroutine:
            answer: Response = await call.function(**arguments)
        else:
            answer = await run_in_threadpool(call.function, **arguments)
        return answer

    return handle


def _compiled(dependant: Dependant) -> _Call | None:
    """The call of a route or a dependency; None if it needs more than parameters and the request."""
    others = dependant.header_params, dependant.cookie_params, dependant.body_params
    names = (
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    if dependant.call is None or any(others) or any(names) or dependant.concurrency is not None:
        return None
    inner = []
    for each in dependant.dependencies:
        if each.name is None and isinstance(cast(object, each.call), SecurityBase):
            continue  # for the OpenAPI document; `AccessMiddleware` checks keys
        call = _compiled(each) if inspect.iscoroutinefunction(each.call) else None
        if call is None or each.name is None:
            return None
        inner.append((each.name, call))
    parameters = [_parameter(field, is_in_path=True) for field in dependant.path_params]
    parameters += [_parameter(field, is_in_path=False) for field in dependant.query_params]
    plain = tuple(each for each in parameters if each is not None)
    return _Call(dependant.call, plain, tuple(inner), dependant.request_param_name) if len(plain) == len(parameters) else None


def _parameter(field: Any, *, is_in_path: bool) -> _Parameter | None:
    """A parameter with one value; None for a list, a model, or a default that is not a constant."""
    default: object = _MISSING if field.field_info.is_required() else field.get_default()
    is_plain = default is _MISSING or (isinstance(default, _CONSTANTS) and not field.field_info.validate_default)
    schema = TypeAdapter(field.field_info.annotation).json_schema()
    if not is_plain or any(each.get("type") not in _PLAIN for each in schema.get("anyOf", [schema])):
        return None
    return _Parameter(field.name, field.alias, is_in_path, field.validate, default)


def _returns_response(route: Callable[..., Any]) -> bool:
    kind = get_type_hints(route).get("return")
    return isinstance(kind, type) and issubclass(kind, Response)
