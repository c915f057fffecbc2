"""Documents of the service as a whole: health and problems."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Health(BaseModel):
    """Health of the service. `status` is `ok`, `degraded` or `unavailable`; `parts` names each component with `ok` or an error.

    `degraded` lists damaged data, collections that are set aside, data in quarantine, and why writes are refused.
    """

    status: str
    parts: dict[str, str] = Field(default_factory=dict)
    degraded: list[str] = Field(default_factory=list)


class ProblemPublic(BaseModel):
    """Problem details (RFC 9457). `errors` lists each invalid field of a request body with `loc` and `message`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
