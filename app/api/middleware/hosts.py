"""Under which names the service answers where it asks for no key.

A page of another site may have its own name lead to 127.0.0.1 once it is loaded (DNS rebinding); to the browser the service
is then a part of that site. The name is all that tells such a request from one of the service's own page.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem

LOCAL = "localhost"


class HostMiddleware:
    """Answers 421 to a request under another name than those of this machine's own and `hosts`, which are lower case.

    A request that names no host passes: no browser sends one.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before anything of it is looked at."""
        host = host_of(Headers(scope=scope).getlist("host")) if scope["type"] == "http" else ""
        if host is None or not (host == "" or host in self._hosts or is_own(host)):
            detail = (
                f"this service does not answer under the name {host!r}; whoever runs it may name that in DYAD_ALLOWED_HOSTS"
            )
            await problem(421, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_of(headers: list[str]) -> str | None:
    """The host of `Host` headers, without port, brackets and a last dot; empty: there is none; None: nobody knows which."""
    if len(headers) > 1:
        return None
    text = "".join(headers).strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def is_own(host: str) -> bool:
    """Whether it is a name that leads nowhere but to the machine that looks it up, or such an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == LOCAL or host.endswith(f".{LOCAL}")
