"""Where to listen: `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which is every address; and why it cannot be done."""

from __future__ import annotations

import errno
import re
import socket

_LARGEST_PORT = 65535
_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]\s]+)\]|(?P<host>[^:\s]*)):(?P<port>[0-9]{1,5})", re.ASCII)


class ServeError(Exception):
    """The address cannot be served. The message is one sentence: what, where, what to do."""


def resolved(listen: str) -> tuple[socket.AddressFamily, str, int]:
    """Address family, numeric address and port. Raises ServeError."""
    found = _LISTEN.fullmatch(listen)
    if not found or int(found["port"]) > _LARGEST_PORT:
        raise ServeError(f"cannot listen on {listen!r}: give HOST:PORT, [IPV6]:PORT or :PORT, as 127.0.0.1:9946")
    port = int(found["port"])
    # An address of every kind takes IPv4 too, see HttpServer.server_bind.
    every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - every address was asked for
    try:
        host = found["v6"] or found["host"] or every
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise unusable(listen, error) from error
    return family, str(address[0]), port


def unusable(listen: str, error: Exception) -> ServeError:
    """The error in one sentence, with what to do."""
    return ServeError(f"cannot listen on {listen}: {_remedy(error)}")


def _remedy(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    match number:
        case errno.EADDRINUSE:
            return "the address is in use; end the program that has it (`ss -ltnp` shows it) or give another address"
        case errno.EACCES | errno.EPERM:
            return "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE, so give a higher port"
        case errno.EADDRNOTAVAIL:
            return "this host has no such address; give one that `ip address` lists, or :PORT for all"
        case _:
            return f"{error}; give an address of this host, or :PORT for all"
