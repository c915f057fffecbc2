"""The OpenAPI document, with what FastAPI cannot derive: bodies that routes read themselves, and problem documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from typing_extensions import override

from app.api.documents.service.service import ProblemPublic
from app.api.routing import FORMAT, FORMATS, HTML, answers_json

PROBLEM = "application/problem+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
ITEMS_PATH = "/collections/{collection_id}/items"
_FORMAT = {
    "name": FORMAT,
    "in": "query",
    "required": False,
    "description": "Format of the answer: JSON, or a page for people",
    "schema": {"type": "string", "enum": list(FORMATS)},
}
_REF = "#/components/schemas/{model}"


class SchemaReference(dict[str, Any]):
    """A `$ref` to the schema of a model, for `openapi_extra` of a route; the document then contains the schema."""

    def __init__(self, model: type[BaseModel]) -> None:
        super().__init__({"$ref": _REF.format(model=model.__name__)})
        self.model = model


def _problems(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": SchemaReference(ProblemPublic)}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": _problems("The request is not valid, not allowed, or names a resource that does not exist"),
    "5XX": _problems("A component of the service is unavailable; retry after `Retry-After` seconds"),
}


class DescribedApi(FastAPI):
    """A FastAPI application whose OpenAPI document contains the models of every `SchemaReference`."""

    def describe(self, routes: Iterable[BaseRoute]) -> None:
        """Collect the models that the routes refer to."""
        found = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
        extras = [route.openapi_extra for route in found]
        self._formatted = [
            (route.path_format, "get") for route in found if "GET" in (route.methods or ()) and answers_json(route)
        ]
        self._models = set(_referenced([PROBLEMS, extras]))

    @override
    def setup(self) -> None:
        """Add the routes of the document and of its pages."""
        self.add_route(str(self.openapi_url), self._document, include_in_schema=False)
        super().setup()

    async def _document(self, request: Request) -> Response:
        """The document, by its own media type for clients that accept it, such as validators; JSON for all others."""
        is_own = OPENAPI.partition(";")[0] in request.headers.get("accept", "")
        return JSONResponse(self.openapi(), media_type=OPENAPI if is_own else None, headers={"Vary": "Accept"})

    @override
    def openapi(self) -> dict[str, Any]:
        """The document, built at the first request."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in sorted(self._models, key=lambda each: each.__name__):
                schema = model.model_json_schema(ref_template=_REF)
                schemas.update({**schema.pop("$defs", {}), model.__name__: schema})
            for path, method in self._formatted:
                operation = document["paths"][path][method]
                operation["responses"]["200"].setdefault("content", {})[HTML] = {"schema": {"type": "string"}}
                parameters = operation.setdefault("parameters", [])
                if all(each["name"] != FORMAT for each in parameters):
                    parameters.append(_FORMAT)
            _name_limit(document)
        return super().openapi()


def _name_limit(document: dict[str, Any]) -> None:
    """Repeat the `limit` of items as a component, where QGIS looks for the size of its pages."""
    parameters = document["paths"].get(ITEMS_PATH, {}).get("get", {}).get("parameters", [])
    limit = next((each for each in parameters if each["name"] == "limit"), None)
    if limit is not None:
        document["components"]["parameters"] = {"limit": limit}


def _referenced(value: object) -> Iterator[type[BaseModel]]:
    """The models of all references in nested dicts and lists."""
    if isinstance(value, SchemaReference):
        yield value.model
    elif isinstance(value, dict):
        yield from _referenced(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _referenced(each)
