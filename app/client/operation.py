"""A method of both clients, written once as steps; each client runs them in its way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from app.client.core import Steps

P = ParamSpec("P")
T = TypeVar("T")


class Runner(Protocol):
    """A client that waits."""

    def run(self, steps: Steps[T], /) -> T:
        """Run an operation to its end."""


class AsyncRunner(Protocol):
    """A client that is awaited."""

    async def run(self, steps: Steps[T], /) -> T:
        """Run an operation to its end."""


class Operation(Generic[P, T]):
    """A method of both clients: with `Dyad` it returns its value, with `AsyncDyad` it is awaited. steps: the operation."""

    def __init__(self, steps: Callable[P, Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Operation[P, T]: ...
    @overload
    def __get__(self, client: Runner, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self

        def call(*arguments: P.args, **named: P.kwargs) -> Any:
            return client.run(self._steps(*arguments, **named))

        return update_wrapper(call, self._steps)
