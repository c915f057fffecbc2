"""Documents of the service as a whole: health and problems."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Health of the service. `status` is `ok` or `unavailable`; `parts` names each component with `ok` or its error."""

    status: str
    parts: dict[str, str] = Field(default_factory=dict)


class ProblemPublic(BaseModel):
    """Problem details (RFC 9457). `errors` lists each invalid field of a request body with `loc` and `message`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
