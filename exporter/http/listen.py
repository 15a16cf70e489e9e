"""Where to listen: `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which is every address; and why it cannot be done.

Or on sockets that systemd has opened, sd_listen_fds(3): the environment says how many there are, from descriptor 3 on.

    LISTEN_PID=4711 LISTEN_FDS=2
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import re
import socket
from collections.abc import MutableMapping, Sequence

log = logging.getLogger("bulkhead")

_LARGEST_PORT = 65535
_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]\s]+)\]|(?P<host>[^:\s]*)):(?P<port>[0-9]{1,5})", re.ASCII)
# Connections that wait to be accepted. One that does not fit is tried again by its client seconds later; but whoever
# comes waits for all before it, and a flood of connections fills whatever there is.
_QUEUE = 256
_FIRST_OF_SYSTEMD = 3
_MOST_OF_SYSTEMD = 32
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ServeError(Exception):
    """The address cannot be served. The message is one sentence: what, where, what to do."""


class NoIpv6Loopback(ServeError):
    """It is ::1, and this host has no IPv6."""


def opened(listen: Sequence[str]) -> tuple[socket.socket, ...]:
    """Sockets that listen on these addresses. Raises ServeError, and none stays open then.

    [::1] is left out on a host without IPv6 where 127.0.0.1 is listened on too: the default is both.
    """
    sockets: list[socket.socket] = []
    try:
        for address in listen:
            try:
                sockets.append(_opened(address))
            except NoIpv6Loopback:
                if address.replace("[::1]", "127.0.0.1") not in listen:
                    raise
                log.info("this host has no IPv6: its loopback address is left out", extra={"listen": address})
    except ServeError:
        for each in sockets:
            each.close()
        raise
    return tuple(sockets)


def passed_by_systemd(environment: MutableMapping[str, str] = os.environ) -> tuple[socket.socket, ...]:
    """The sockets that systemd has opened for this process, and for no program that it starts. Raises ServeError."""
    count, pid = (environment.pop(name, "") for name in ("LISTEN_FDS", "LISTEN_PID"))
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or not 0 < int(count) <= _MOST_OF_SYSTEMD:
        raise ServeError(
            "systemd has passed no socket: start this by a .socket unit (ListenStream=9946), "
            "or leave --web.systemd-socket out"
        )
    sockets = []
    for number in range(_FIRST_OF_SYSTEMD, _FIRST_OF_SYSTEMD + int(count)):
        os.set_inheritable(number, False)
        each = socket.socket(fileno=number)
        is_tcp = each.family in {socket.AF_INET, socket.AF_INET6} and each.type == socket.SOCK_STREAM
        if not is_tcp or not each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ServeError(
                f"socket {number} of systemd is no TCP socket that listens: "
                "give ListenStream=PORT or ADDRESS:PORT in the .socket unit, and no Accept=yes"
            )
        sockets.append(each)
    return tuple(sockets)


def reaches_beyond_this_host(listeners: Sequence[socket.socket]) -> bool:
    """Whether some of them listens on an address that is no loopback address."""
    hosts = (listener.getsockname()[0].partition("%")[0] for listener in listeners)
    return not all(ipaddress.ip_address(host).is_loopback for host in hosts)


def _opened(listen: str) -> socket.socket:
    family, host, port = _resolved(listen)
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _unusable(listen, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            # One socket for IPv4 and IPv6 where every address is asked for.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listener.bind((host, port))
        listener.listen(_QUEUE)
    except OSError as error:
        listener.close()
        raise _unusable(listen, error) from error
    return listener


def _resolved(listen: str) -> tuple[socket.AddressFamily, str, int]:
    found = _LISTEN.fullmatch(listen)
    if not found or int(found["port"]) > _LARGEST_PORT:
        raise ServeError(f"cannot listen on {listen!r}: give HOST:PORT, [IPV6]:PORT or :PORT, as 127.0.0.1:9946")
    port = int(found["port"])
    every = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - every address was asked for
    try:
        host = found["v6"] or found["host"] or every
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise _unusable(listen, error) from error
    return family, str(address[0]), port


def _unusable(listen: str, error: Exception) -> ServeError:
    is_missing = isinstance(error, OSError) and error.errno in _NO_SUCH_ADDRESS
    sort = NoIpv6Loopback if is_missing and listen.startswith("[::1]:") else ServeError
    return sort(f"cannot listen on {listen}: {_remedy(error)}")


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
