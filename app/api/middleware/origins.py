"""Which site sent a request: protection against cross-site request forgery.

A page of another site can send requests with the cookie of a user, or to a service without keys. A browser states where a
request comes from; other clients send none of these headers.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.api.middleware.hosts import host_of

_TRUSTED_SITES = ("same-origin", "none")
_DEFAULT_PORTS = (":80", ":443")


class OriginCheck:
    """Finds requests that come from pages of other sites.

    origins: origins that are permitted, see `Settings.cors_origins`. hosts: names of this service; an origin of one of them is
    its own, also where a proxy sends another Host header.
    """

    def __init__(self, origins: Collection[str] = (), hosts: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)
        self._hosts = frozenset(hosts)

    def refusal(self, headers: Headers) -> str | None:
        """Why a request that changes data is refused; None if it comes from this service, a permitted origin, or no page."""
        origin = _origin(headers)
        if origin in self._origins:
            return None
        site = headers.get("sec-fetch-site", "none")
        if site in _TRUSTED_SITES and (origin is None or self._is_own(origin, headers)):
            return None
        where = "another site" if origin is None else f"the site {origin[:200]}"
        return (
            f"a page of {where} sent this request; only pages of this service may change data. "
            "The operator can add that site to DYAD_CORS_ORIGINS, or, if it is the name of this service, to DYAD_ALLOWED_HOSTS"
        )

    def _is_own(self, origin: str, headers: Headers) -> bool:
        netloc = origin.partition("://")[2]
        if not netloc:
            return False
        hosts = headers.getlist("host")
        is_host = len(hosts) == 1 and _without_port(netloc) == _without_port(hosts[0].strip().lower())
        return is_host or host_of([netloc]) in self._hosts


def _origin(headers: Headers) -> str | None:
    """The origin that a request names, or that of its referrer; None without both."""
    found = headers.getlist("origin")
    if found:
        return found[0].strip().lower() if len(found) == 1 else "null"
    if referrer := headers.get("referer", ""):
        try:
            parts = urlsplit(referrer)
        except ValueError:
            return "null"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
    return None


def _without_port(netloc: str) -> str:
    """Without the default port: a proxy may add or drop it."""
    return next((netloc.removesuffix(port) for port in _DEFAULT_PORTS if netloc.endswith(port)), netloc)
