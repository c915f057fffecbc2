"""A test-only server that speaks the part of Qdrant's REST API that Dyad uses, over one Edge shard per collection.

FastAPI checks every request and every answer against the models of `qdrant-client`, which are made from Qdrant's own OpenAPI
document. `tests.support.qdrant` starts it; `python -m tests.support.qdrant_server FOLDER` by hand.

::

    {folder}/collections/{n}/    a collection, see `qdrant_shard`; `name` in `names.json`
    {folder}/names.json          {"collections": {name: n}, "aliases": {alias: name}}, replaced atomically
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from qdrant_client.http import models
from qdrant_client.http.models import models as answers  # the envelopes are only there

from tests.support.qdrant_shard import Refused, ServerFault, Shard

_VERSION = "1.20.0"
_Answer = TypeVar("_Answer", bound=BaseModel)


class Missing(Exception):
    """No such collection."""


class Exists(Exception):
    """There is one already."""


class Catalogue:
    """All collections, open, and the aliases."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        names = root / "names.json"
        known = json.loads(names.read_bytes()) if names.exists() else {"collections": {}, "aliases": {}}
        self._folders: dict[str, str] = known["collections"]
        self.aliases: dict[str, str] = known["aliases"]
        for folder in (root / "collections").glob("*"):
            if folder.name not in self._folders.values():
                shutil.rmtree(folder)
        self._open = {name: Shard(root / "collections" / folder) for name, folder in self._folders.items()}

    def names(self) -> list[str]:
        return list(self._open)

    def shard(self, name: str) -> Shard:
        found = self._open.get(self.aliases.get(name, name))
        if found is None:
            raise Missing(f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name: str, wanted: models.CreateCollection) -> None:
        if name in self._open or name in self.aliases:
            raise Exists(f"Wrong input: Collection `{name}` already exists!")
        folder = uuid.uuid4().hex
        self._open[name] = Shard.create(self._root / "collections" / folder, wanted)
        self._folders[name] = folder
        self._save()

    def drop(self, name: str) -> bool:
        shard = self._open.pop(name, None)
        if shard is None:
            return False
        del self._folders[name]
        self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        self._save()
        shard.drop()
        return True

    def change_aliases(self, actions: list[Any]) -> None:
        """All of the actions, or none."""
        aliases = dict(self.aliases)
        for action in actions:
            if isinstance(action, models.DeleteAliasOperation):
                alias = action.delete_alias.alias_name
                if alias not in aliases:
                    raise Missing(f"Not found: Alias {alias} does not exists!")
                del aliases[alias]
            elif isinstance(action, models.CreateAliasOperation):
                wanted = action.create_alias
                if wanted.collection_name not in self._open:
                    raise Missing(f"Not found: Collection `{wanted.collection_name}` doesn't exist!")
                aliases[wanted.alias_name] = wanted.collection_name
            else:
                raise Refused("Wrong input: this server does not rename aliases")
        self.aliases = aliases
        self._save()

    def close(self) -> None:
        for shard in self._open.values():
            shard.close()

    def _save(self) -> None:
        part = self._root / "names.json.part"
        part.write_text(json.dumps({"collections": self._folders, "aliases": self.aliases}))
        part.replace(self._root / "names.json")


def create_app(root: Path, api_key: str = "") -> FastAPI:
    """The server's application. Its handlers are coroutines without a pause: requests are served one after the other."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.catalogue = Catalogue(root)
        yield
        app.state.catalogue.close()

    app = FastAPI(lifespan=lifespan, title="Qdrant for tests")
    _refuse(app)

    @app.middleware("http")
    async def check_key(request: Request, go_on: Any) -> Any:
        if api_key and request.headers.get("api-key") != api_key:
            return PlainTextResponse("Must provide an API key or an Authorization bearer token", 401)
        return await go_on(request)

    _serve_collections(app)
    _serve_writes(app)
    _serve_reads(app)
    return app


async def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


async def _shard(name: str, request: Request) -> Shard:
    return (await _catalogue(request)).shard(name)


CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
ShardDep = Annotated[Shard, Depends(_shard)]


def _answer(kind: type[_Answer], result: Any) -> _Answer:
    return kind.model_validate({"result": result, "status": "ok", "time": 0.001})


def _written() -> answers.InlineResponse2008:
    return _answer(answers.InlineResponse2008, _done())


def _done() -> models.UpdateResult:
    return models.UpdateResult(operation_id=time.time_ns() % 2**53, status=models.UpdateStatus.COMPLETED)


def _serve_collections(app: FastAPI) -> None:
    @app.get("/")
    async def version() -> models.VersionInfo:
        return models.VersionInfo(title="qdrant - vector search engine", version=_VERSION)

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        return "healthz check passed"

    @app.get("/collections")
    async def collections(catalogue: CatalogueDep) -> answers.InlineResponse2006:
        found = [models.CollectionDescription(name=name) for name in catalogue.names()]
        return _answer(answers.InlineResponse2006, models.CollectionsResponse(collections=found))

    @app.post("/collections/aliases")
    async def change_aliases(wanted: models.ChangeAliasesOperation, catalogue: CatalogueDep) -> answers.InlineResponse2001:
        catalogue.change_aliases(wanted.actions)
        return _answer(answers.InlineResponse2001, True)

    @app.get("/aliases")
    async def aliases(catalogue: CatalogueDep) -> answers.InlineResponse20012:
        found = [models.AliasDescription(alias_name=alias, collection_name=name) for alias, name in catalogue.aliases.items()]
        return _answer(answers.InlineResponse20012, models.CollectionsAliasesResponse(aliases=found))

    @app.get("/collections/{name}/exists")
    async def exists(name: str, catalogue: CatalogueDep) -> answers.InlineResponse2009:
        is_there = name in catalogue.names() or name in catalogue.aliases
        return _answer(answers.InlineResponse2009, models.CollectionExistence(exists=is_there))

    @app.get("/collections/{name}")
    async def info(shard: ShardDep) -> answers.InlineResponse2007:
        return _answer(answers.InlineResponse2007, shard.info())

    @app.put("/collections/{name}")
    async def create(name: str, wanted: models.CreateCollection, catalogue: CatalogueDep) -> answers.InlineResponse2001:
        catalogue.create(name, wanted)
        return _answer(answers.InlineResponse2001, True)

    @app.patch("/collections/{name}")
    async def change(wanted: models.UpdateCollection, shard: ShardDep) -> answers.InlineResponse2001:
        shard.change(wanted)
        return _answer(answers.InlineResponse2001, True)

    @app.delete("/collections/{name}")
    async def drop(name: str, catalogue: CatalogueDep) -> answers.InlineResponse2001:
        return _answer(answers.InlineResponse2001, catalogue.drop(name))

    @app.put("/collections/{name}/index")
    async def index_field(wanted: models.CreateFieldIndex, shard: ShardDep) -> answers.InlineResponse2008:
        shard.index_field(wanted)
        return _written()


def _serve_writes(app: FastAPI) -> None:
    @app.put("/collections/{name}/points")
    async def upsert(wanted: models.PointInsertOperations, shard: ShardDep) -> answers.InlineResponse2008:
        shard.upsert(wanted)
        return _written()

    @app.put("/collections/{name}/points/vectors")
    async def update_vectors(wanted: models.UpdateVectors, shard: ShardDep) -> answers.InlineResponse2008:
        shard.update_vectors(wanted)
        return _written()

    @app.post("/collections/{name}/points/payload")
    async def set_payload(wanted: models.SetPayload, shard: ShardDep) -> answers.InlineResponse2008:
        shard.set_payload(wanted)
        return _written()

    @app.post("/collections/{name}/points/delete")
    async def delete(wanted: models.PointsSelector, shard: ShardDep) -> answers.InlineResponse2008:
        shard.delete(wanted)
        return _written()

    @app.post("/collections/{name}/points/batch")
    async def batch(wanted: models.UpdateOperations, shard: ShardDep) -> answers.InlineResponse20018:
        for operation in wanted.operations:
            if isinstance(operation, models.SetPayloadOperation):
                shard.set_payload(operation.set_payload)
            elif isinstance(operation, models.UpsertOperation):
                shard.upsert(operation.upsert)
            elif isinstance(operation, models.DeleteOperation):
                shard.delete(operation.delete)
            elif isinstance(operation, models.UpdateVectorsOperation):
                shard.update_vectors(operation.update_vectors)
            else:
                raise Refused(f"Wrong input: this server does not know {type(operation).__name__}")
        return _answer(answers.InlineResponse20018, [_done() for _ in wanted.operations])


def _serve_reads(app: FastAPI) -> None:
    @app.post("/collections/{name}/points/query")
    async def query(wanted: models.QueryRequest, shard: ShardDep) -> answers.InlineResponse20022:
        return _answer(answers.InlineResponse20022, shard.query(wanted))

    @app.post("/collections/{name}/points/scroll")
    async def scroll(wanted: models.ScrollRequest, shard: ShardDep) -> answers.InlineResponse20019:
        return _answer(answers.InlineResponse20019, shard.scroll(wanted))

    @app.post("/collections/{name}/points")
    async def retrieve(wanted: models.PointRequest, shard: ShardDep) -> answers.InlineResponse20017:
        return _answer(answers.InlineResponse20017, shard.retrieve(wanted))

    @app.post("/collections/{name}/points/count")
    async def count(wanted: models.CountRequest, shard: ShardDep) -> answers.InlineResponse20020:
        return _answer(answers.InlineResponse20020, models.CountResult(count=shard.count(wanted)))

    @app.post("/collections/{name}/facet")
    async def facet(wanted: models.FacetRequest, shard: ShardDep) -> answers.InlineResponse20021:
        return _answer(answers.InlineResponse20021, shard.facet(wanted))


def _refuse(app: FastAPI) -> None:
    """Answer errors as Qdrant does."""
    statuses = {Refused: 400, Missing: 404, Exists: 409, ServerFault: 500, RequestValidationError: 400}
    for kind, status in statuses.items():

        async def refuse(_: Request, error: Exception, status: int = status) -> JSONResponse:
            return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, status)

        app.add_exception_handler(kind, refuse)


def main(arguments: list[str]) -> None:
    """Serve until told to stop; the address is the only line on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--leash", action="store_true", help="end with the other side of standard input")
    given = parser.parse_args(arguments)
    if given.leash:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", given.port), backlog=256)
    config = uvicorn.Config(
        create_app(given.folder, given.api_key), log_level="warning", timeout_keep_alive=75, timeout_graceful_shutdown=2
    )
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listening])


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
