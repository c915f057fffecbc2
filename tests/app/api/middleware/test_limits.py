"""Too many requests, and bodies that are too large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from app.api.middleware.limits import RateLimitMiddleware
from app.domain.keys import Role
from app.errors import ConfigError
from app.settings import load_settings
from app.stores.key_file import add_key
from tests.support.redis import RedisServer
from tests.support.service import Service, document, running_service


def test_too_many_requests_of_one_key_are_refused_for_a_while(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    ana, ben = add_key(file, "ana", Role.READ), add_key(file, "ben", Role.READ)
    with running_service(tmp_path / "home", api_keys_file=file, rate_limit="3/hour") as running:
        codes = [running.client.get("/collections", headers={"X-API-Key": ana}).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        refused = running.client.get("/collections", headers={"X-API-Key": ana})
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        assert "3 requests in 3600 s" in document(refused)["detail"]
        assert running.client.get("/collections", headers={"X-API-Key": ben}).status_code == 200
        assert {running.client.get("/healthz", headers={"X-API-Key": ana}).status_code for _ in range(5)} == {200}


def test_without_keys_addresses_are_counted(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", rate_limit="2/hour;100/day") as running:
        assert [running.client.get("/models").status_code for _ in range(3)] == [200, 200, 429]


def test_processes_count_together_and_a_lost_redis_limits_nobody(
    tmp_path: Path, require_program: Callable[[str], Path]
) -> None:
    require_program("redis-server")
    redis = RedisServer(tmp_path)
    scope = {"type": "http", "method": "GET", "path": "/models", "client": ("192.0.2.1", 1)}

    async def ask(service: RateLimitMiddleware) -> int:
        answers: list[Message] = []

        async def send(message: Message) -> None:
            answers.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        await service(scope, receive, send)
        return int(answers[0]["status"])

    async def run() -> list[int]:
        services = [RateLimitMiddleware(PlainTextResponse("fine"), "3/hour", redis.url) for _ in range(2)]
        codes = [await ask(services[number % 2]) for number in range(5)]
        redis.kill()
        codes.append(await ask(services[0]))
        for service in services:
            await service.close()
        return codes

    redis.start()
    try:
        assert anyio.run(run) == [200, 200, 200, 429, 429, 200]
    finally:
        redis.kill()


def test_a_limit_that_cannot_be_understood_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="DYAD_RATE_LIMIT"):
        load_settings({"DYAD_RATE_LIMIT": "many"})


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/collections"), ("POST", "/collections/x/items"), ("PUT", "/collections/x/schedule")]
)
@pytest.mark.parametrize("is_said", [True, False])
def test_a_large_body_is_refused_before_it_is_held(service: Service, method: str, path: str, is_said: bool) -> None:
    service.client.post("/collections", json={"id": "x", "model": "hog"})
    size = 9 << 20

    def pieces() -> Iterator[bytes]:
        yield b'{"id": "'
        for _ in range(size >> 16):
            yield b"x" * (1 << 16)

    headers = {"Content-Type": "application/json"}
    answer = service.client.request(method, path, content=b"[" * size if is_said else pieces(), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert "8 MB" in document(answer)["detail"]
