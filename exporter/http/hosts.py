"""By which names this server may be asked: a page of another name that resolves to this address is not let in.

    Host: host1.example:9946

A website can have its own name resolve to an address of this host or of its network (DNS rebinding), and the browser of
whoever looks at it then fetches the pages for it. Such a request has the website's name in its Host, so a name counts
only if it is this host's, or is in `web.hosts` of the configuration. Addresses cannot be rebound.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterable

ANY = "*"
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::[0-9]{0,5})?", re.ASCII)
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


class Hosts:
    """The names that are allowed. The full name of this host is asked of the resolver, which may take its time."""

    def __init__(
        self,
        allowed: Iterable[str] = (),
        node: Callable[[], str] = socket.gethostname,
        full_name: Callable[[], str] = socket.getfqdn,
    ) -> None:
        configured = frozenset(_plain(name) for name in allowed)
        self._is_any = ANY in configured
        self._names = configured | {"localhost", _plain(node())}
        self._full_name = full_name
        if not self._is_any:
            threading.Thread(target=self._add_full_name, name="full-name", daemon=True).start()

    def allow(self, host: str | None, target: str = "") -> bool:
        """Whether a request with this Host, and this target, which may have a host as well, is for this server."""
        if self._is_any:
            return True
        authority = _AUTHORITY.match(target)
        asked = (*((authority[1],) if authority else ()), *((host,) if host is not None else ()))
        return all(self._is_known(name) for name in asked)

    def _is_known(self, host: str) -> bool:
        found = _HOST.fullmatch(host.strip())
        if not found:
            return False
        if found["v6"]:
            return _is_address(found["v6"])
        return _plain(found["name"]) in self._names or _is_address(found["name"])

    def _add_full_name(self) -> None:
        self._names = self._names | {_plain(self._full_name())}


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
