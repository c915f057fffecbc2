"""Processes (OGC API Processes): long-running work that clients start by name with checked inputs, and follow as a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.domain.jobs import Job
from app.domain.subscriber import Subscription, subscribed
from app.errors import FieldError, NoSuchProcess, Unprocessable
from app.services.jobs.callbacks import Callbacks

ITEM_IDS = "item_ids"
"""The output that every job has."""


class Inputs(BaseModel):
    """Base class of a process's inputs: flat fields, each with a description; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


@dataclass(frozen=True, slots=True)
class Process:
    """A process. Its id is the kind of its jobs.

    inputs: model of its inputs. submit: submits a job with checked inputs; raises a `DyadError` if that is not possible.
    outputs: the results of a successful job besides `item_ids`, each with a description.
    """

    id: str
    title: str
    description: str
    inputs: type[BaseModel]
    submit: Callable[[Any], Job]
    outputs: Mapping[str, str] = field(default_factory=dict)


class ProcessService:
    """The processes by id."""

    def __init__(self, processes: Iterable[Process], callbacks: Callbacks | None = None) -> None:
        self._processes = {process.id: process for process in processes}
        self._callbacks = callbacks

    def list(self) -> list[Process]:
        """All processes."""
        return list(self._processes.values())

    def get(self, process_id: str) -> Process:
        """One process.

        Raises:
            NoSuchProcess: there is no such process.
        """
        try:
            return self._processes[process_id]
        except KeyError:
            names = ", ".join(sorted(self._processes)) or "none"
            raise NoSuchProcess(f"no process {process_id!r}; available: {names}") from None

    def execute(
        self,
        process_id: str,
        inputs: Mapping[str, Any],
        outputs: Iterable[str] = (),
        subscriber: Mapping[str, str] | None = None,
    ) -> Job:
        """Submit a job of a process. outputs: names of outputs that the client wants; results contain all of them.

        subscriber: URLs to call, by the names of OGC API Processes; see `Callbacks`.

        Raises:
            NoSuchProcess: no such process. Unprocessable: inputs that are unknown, missing or wrong, each by its name. Also the
                errors of the process's own `submit`.
        """
        process = self.get(process_id)
        unknown = sorted({*outputs} - {*process.outputs, ITEM_IDS})
        if unknown:
            message = f"not an output of this process; its outputs: {', '.join([*process.outputs, ITEM_IDS])}"
            raise Unprocessable(f"outputs.{unknown[0]}: {message}", [FieldError(f"outputs.{unknown[0]}", message)])
        try:
            checked = process.inputs.model_validate(dict(inputs))
        except ValidationError as error:
            fields = [_field(item["loc"], item["msg"]) for item in error.errors()]
            raise Unprocessable("; ".join(f"{each.loc}: {each.message}" for each in fields[:3]), fields) from None
        if not subscriber or self._callbacks is None:
            return process.submit(checked)
        with subscribed(Subscription(subscriber, self._callbacks.states(subscriber))):
            return process.submit(checked)


def _field(loc: tuple[int | str, ...], message: str) -> FieldError:
    return FieldError(".".join(("inputs", *map(str, loc))), message.removeprefix("Value error, "))
