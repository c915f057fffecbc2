"""Connections to permitted IP addresses only (protection against server-side request forgery).

Own code instead of a library, because no HTTP client checks addresses after the name is resolved: a name is resolved once
here, and the addresses that were checked are the ones that are connected to, so DNS rebinding has no effect.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore
from typing_extensions import override

from app.errors import Forbidden
from app.ports.stopping import in_thread
from app.stores.web.minimum_rate import Download, SteadyStream

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Sequence[str]]
CONNECT_SECONDS = 5.0
"""Longest attempt to connect to one address."""
LOOKUP_SECONDS = 30.0
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """Whether an address is a global unicast address, and so is any IPv4 address that is embedded in it."""
    if not address.is_global or address.is_multicast:
        return False
    return all(is_public(inner) for inner in _inner(address))


def _inner(address: Address) -> Iterable[IPv4Address]:
    """The IPv4 addresses that are embedded in an IPv6 address."""
    if isinstance(address, IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _COMPATIBLE:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to public addresses, to those in `networks`, and to a host that is itself written as an address."""

    def __init__(self, networks: Iterable[str], lookup: Lookup = look_up, download: Download | None = None) -> None:
        """download: the limits of the connections; None for those of a download without a job."""
        self._networks = [ip_network(network) for network in networks]
        self._lookup = lookup
        self._download = download or Download()
        self._inner = httpcore.SyncBackend()

    def limited(self, download: Download) -> CheckedBackend:
        """The same backend for one download."""
        return CheckedBackend(map(str, self._networks), self._lookup, download)

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError(f"{host} has no IP address")
        deadline = time.monotonic() + (CONNECT_SECONDS if timeout is None else timeout)
        for address in self._checked(host, port):
            self._download.check()
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._inner.connect_tcp(address, port, min(left, CONNECT_SECONDS), local_address, socket_options)
                return SteadyStream(stream, self._download)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    @override
    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)

    def _checked(self, host: str, port: int) -> list[str]:
        """The addresses of the host. A name with any address that is not permitted is refused."""
        try:
            found = in_thread(lambda: self._lookup(host, port), self._download.check, LOOKUP_SECONDS)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} could not be resolved within {LOOKUP_SECONDS:g} s") from None
        except (OSError, UnicodeError) as error:
            log.warning("%s cannot be resolved: %s", host, error)
            raise httpcore.ConnectError(f"{host} cannot be resolved") from None
        for text in found:
            if not self._permits(host, text):
                log.warning("%s is refused: it resolves to %s, which is not public and not in DYAD_READ_NETWORKS", host, text)
                raise Forbidden(
                    f"{host} resolves to an address that is not public; to permit it, add its network to DYAD_READ_NETWORKS "
                    "(the log of the service has the address)"
                )
        return list(found)

    def _permits(self, host: str, text: str) -> bool:
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return text == host or is_public(address) or any(address in network for network in self._networks)
