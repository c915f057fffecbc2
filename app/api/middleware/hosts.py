"""The check of the Host header in a service without keys: protection against DNS rebinding.

A page of another site can make its own domain resolve to 127.0.0.1 after it is loaded; the browser then treats the service as a
part of that site. Only the Host header distinguishes such requests from those of the page of this service.

Starlette's `TrustedHostMiddleware` is not used: it has no pattern for all loopback addresses, checks only the first of several
Host headers, refuses requests without one, and answers status 400 in plain text.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem

LOCAL = "localhost"


class HostMiddleware:
    """Answers 421 to a request for a host that is neither this machine (loopback) nor one of `hosts` (lower case).

    A request without a Host header passes: browsers always send one.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421, or pass the request on."""
        host = host_of(Headers(scope=scope).getlist("host")) if scope["type"] == "http" else ""
        if host is None or not (host == "" or host in self._hosts or is_own(host)):
            detail = (
                f"this service does not accept requests for the host {host!r}; its operator can add it to DYAD_ALLOWED_HOSTS"
            )
            await problem(421, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_of(headers: list[str]) -> str | None:
    """The host of the `Host` headers, without port, brackets and trailing dot; empty without a header; None with several."""
    if len(headers) > 1:
        return None
    text = "".join(headers).strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def is_own(host: str) -> bool:
    """Whether a host is a loopback address, or a name that always resolves to one."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == LOCAL or host.endswith(f".{LOCAL}")
