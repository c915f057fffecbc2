"""The description of every request and answer, with what FastAPI cannot see for itself: streamed bodies, and problems."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from typing_extensions import override

from app.api.documents.schemas import HrefIngest, ProblemPublic, SearchRequest

PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_NAMED: tuple[type[BaseModel], ...] = (ProblemPublic, SearchRequest, HrefIngest)
"""Models that routes name by `schema_of` and nowhere else."""


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A reference to a model's schema; the model stands in `_NAMED`."""
    return {"$ref": _REF.format(model=model.__name__)}


def _problems(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": schema_of(ProblemPublic)}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": _problems("What is wrong with the request"),
    "5XX": _problems("A part of the service is down"),
}


class DescribedApi(FastAPI):
    """A FastAPI whose OpenAPI document holds the models of `_NAMED`, too."""

    @override
    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            for model in _NAMED:
                schema = model.model_json_schema(ref_template=_REF)
                schemas.update({**schema.pop("$defs", {}), model.__name__: schema})
        return super().openapi()
