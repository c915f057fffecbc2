"""Documents of processes (OGC API Processes)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app import __version__
from app.api.documents.base import JSON, In, Link
from app.services.jobs.processes import Process


class OutputRequest(In):
    """How the client wants an output; outputs are returned by value, as JSON."""

    transmissionMode: Literal["value"] = "value"  # noqa: N815 - OGC's spelling
    format: dict[str, Any] | None = None


class Subscriber(In):
    """Addresses that get a POST request if DYAD_READ_ROOTS allows them; `callbacks` of the job has the outcome."""

    successUri: str | None = Field(default=None, max_length=4096, description="Gets the results")  # noqa: N815 - OGC's spelling
    inProgressUri: str | None = Field(  # noqa: N815 - OGC's spelling
        default=None, max_length=4096, description="Gets the status when the job starts"
    )
    failedUri: str | None = Field(  # noqa: N815 - OGC's spelling
        default=None, max_length=4096, description="Gets the status when the job has failed"
    )


class Execution(In):
    """Body of `POST /processes/{id}/execution`; `GET /processes/{id}` describes the inputs."""

    inputs: dict[str, Any] = Field(default_factory=dict, examples=[{"collection": "naip"}])
    outputs: dict[str, OutputRequest] | None = Field(
        default=None, description="Outputs that the client needs, by name; the results contain all outputs"
    )
    response: Literal["document", "raw"] = Field(
        default="document", description="Results are one JSON document with all outputs either way"
    )
    subscriber: Subscriber | None = None

    def called(self) -> dict[str, str]:
        """The addresses of the subscriber by name."""
        return {} if self.subscriber is None else self.subscriber.model_dump(exclude_none=True)


class ProcessSummary(BaseModel):
    """Summary of a process, as in OGC API Processes."""

    id: str
    title: str
    description: str
    version: str
    jobControlOptions: list[str] = ["async-execute", "dismiss"]  # noqa: N815 - OGC's spelling
    outputTransmission: list[str] = ["value"]  # noqa: N815 - OGC's spelling
    links: list[Link]


class ProcessInput(BaseModel):
    """An input of a process with its JSON Schema; `minOccurs` is 0 for an optional input."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    title: str
    description: str
    value_schema: dict[str, Any] = Field(alias="schema")
    minOccurs: int  # noqa: N815 - OGC's spelling
    maxOccurs: int = 1  # noqa: N815 - OGC's spelling


class ProcessOutput(BaseModel):
    """An output of a process; an empty schema means any JSON value."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    title: str
    description: str
    value_schema: dict[str, Any] = Field(alias="schema")


class ProcessPublic(ProcessSummary):
    """A process with its inputs and outputs."""

    inputs: dict[str, ProcessInput]
    outputs: dict[str, ProcessOutput]


class ProcessList(BaseModel):
    """All processes."""

    processes: list[ProcessSummary]
    links: list[Link]


def process_summary(process: Process, base: str) -> ProcessSummary:
    """The summary of a process; `base` is the URL of the service."""
    here = f"{base}/processes/{process.id}"
    links = [
        Link(href=here, rel="self", type=JSON),
        Link(href=f"{here}/execution", rel="http://www.opengis.net/def/rel/ogc/1.0/execute", type=JSON, method="POST"),
    ]
    return ProcessSummary(id=process.id, title=process.title, description=process.description, version=__version__, links=links)


def process_document(process: Process, base: str) -> ProcessPublic:
    """The description of a process; `base` is the URL of the service."""
    schema = process.inputs.model_json_schema()
    inputs = {
        name: ProcessInput(
            title=field.pop("title"),
            description=field.pop("description", ""),
            value_schema=field,
            minOccurs=int(name in schema.get("required", [])),
        )
        for name, field in schema.get("properties", {}).items()
    }
    outputs = {
        name: ProcessOutput(title=name, description=description, value_schema={})
        for name, description in process.outputs.items()
    }
    return ProcessPublic(**process_summary(process, base).model_dump(), inputs=inputs, outputs=outputs)
