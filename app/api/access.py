"""Access rules of routes: each route declares its rule beside itself, and one table finds the rule of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from starlette.routing import BaseRoute, Route, compile_path

from app.domain.keys import Role

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ATTRIBUTE = "access_rule"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may call a route, and what body it takes.

    role: the least role that a key needs; None: no key is needed. accepts_signature: a signed link is enough (see
    `app.api.links`). streams_body: the route reads files in pieces and checks its own limit.
    """

    role: Role | None
    accepts_signature: bool = False
    streams_body: bool = False


class Access(NamedTuple):
    """The rule of a request, and the parameters in its path."""

    rule: AccessRule
    parameters: Mapping[str, str]

    @property
    def item(self) -> str | None:
        """The item in the path; None if there is none."""
        return self.parameters.get("item_id")


PUBLIC = AccessRule(None)
_DEFAULT_READ, _DEFAULT_WRITE = AccessRule(Role.READ), AccessRule(Role.WRITE)


def requires(role: Role, *, accepts_signature: bool = False, streams_body: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Declare the role that a route needs; put it between the route's decorator and its function."""
    return _declare(AccessRule(role, accepts_signature, streams_body))


def public(endpoint: Endpoint) -> Endpoint:
    """Declare that a route needs no key: it gives out no data."""
    return _declare(PUBLIC)(endpoint)


def rule_of(endpoint: object) -> AccessRule | None:
    """The rule that a route function declares; None if it declares none."""
    rule = getattr(endpoint, _ATTRIBUTE, None)
    return rule if isinstance(rule, AccessRule) else None


def _declare(rule: AccessRule) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, rule)
        return endpoint

    return mark


class AccessTable:
    """The rules of all routes, in the order in which the router tries them.

    It matches a path as Starlette's router does, but before the router runs: access is decided before a body is read.
    """

    def __init__(self, routes: Iterable[BaseRoute], public_paths: Iterable[str] = ()) -> None:
        """Read the rules.

        routes: of the route modules. public_paths: path templates without a route function of ours that need no key.

        Raises:
            TypeError: a route declares no rule.
        """
        self._rows = [(compile_path(path)[0], SAFE, PUBLIC) for path in public_paths]
        for route in routes:
            if not isinstance(route, Route):
                raise TypeError(f"{route!r} is not a route with a function, so it cannot declare a role")
            rule = rule_of(route.endpoint)
            if rule is None:
                raise TypeError(
                    f"{sorted(route.methods or ())} {route.path} declares no role; "
                    "add @requires(Role...) or @public of app.api.access below the decorator of the route"
                )
            self._rows.append((compile_path(route.path)[0], frozenset(route.methods or ()), rule))

    def find(self, method: str, path: str) -> Access:
        """The rule for a request.

        Without a route (404, 405, or a redirect to the path without its last slash), reading needs `read` and everything else
        `write`, so that clients without a key cannot probe paths.
        """
        rules = []
        for pattern, methods, rule in self._rows:
            match = pattern.match(path)
            if match is not None:
                if method in methods:
                    return Access(rule, match.groupdict())
                rules.append(rule)
        if rules and all(rule.role is None for rule in rules):
            return Access(PUBLIC, {})
        if not rules and path != "/" and path.endswith("/"):
            return self.find(method, path.rstrip("/") or "/")
        return Access(_DEFAULT_READ if method in SAFE else _DEFAULT_WRITE, {})
