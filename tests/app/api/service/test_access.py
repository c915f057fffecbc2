"""Access rules: every route declares the role that it needs."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from app.api.access import AccessTable, public, requires
from app.domain.keys import Role


def table() -> AccessTable:
    router = APIRouter()

    @router.get("/open")
    @public
    def read_open() -> None: ...

    @router.get("/things/{thing}")
    @requires(Role.READ)
    def read(thing: str) -> None: ...

    @router.post("/things/{thing}")
    @requires(Role.ADMIN, streams_body=True)
    def change(thing: str) -> None: ...

    return AccessTable(router.routes, ["/static/{path:path}"])


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/open", None),
        ("POST", "/open", None),
        ("GET", "/static/js/a.js", None),
        ("GET", "/things/1", Role.READ),
        ("POST", "/things/1", Role.ADMIN),
        ("POST", "/things/1/", Role.ADMIN),
        ("DELETE", "/things/1", Role.WRITE),
        ("GET", "/nowhere", Role.READ),
        ("POST", "/nowhere", Role.WRITE),
        ("GET", "/", Role.READ),
    ],
)
def test_the_role_is_the_one_beside_the_route_and_a_key_is_needed_elsewhere(method: str, path: str, role: Role | None) -> None:
    assert table().find(method, path).rule.role == role


def test_a_rule_comes_with_the_parameters_of_the_path() -> None:
    found = table().find("POST", "/things/a b")
    assert found.parameters == {"thing": "a b"}
    assert found.rule.streams_body


def test_a_route_without_a_role_stops_the_start() -> None:
    router = APIRouter(prefix="/things")

    @router.get("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(TypeError, match=r"GET.*/things/forgotten declares no role"):
        AccessTable(router.routes)
