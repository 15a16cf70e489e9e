"""Runs work and a server, of HTTP or of the collector's link, until somebody says stop: a signal, systemd, Ctrl-C.

Signals only put their number into a queue, and the main thread waits there: nothing is done in a
handler, so nothing can be interrupted halfway. `SimpleQueue.put` is made to be safe in one.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from exporter import __version__
from exporter.runtime.sdnotify import notify, watchdog_seconds
from exporter.runtime.watchdog import Proof, Watchdog

log = logging.getLogger("bulkhead")

# Python runs a signal's handler between two instructions of the main thread: a signal that comes just before the
# wait begins does not end it, and its handler would run with the next signal only.
_WAKE_SECONDS = 1.0
# What ends the wait: a signal, or the server's end (an error, or None if it ended by itself).
Happening = signal.Signals | Exception | None


class Work(Protocol):
    """What is done beside serving, on threads of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End soon. Returns at once."""


class Server(Protocol):
    """What is asked of the server: it listens already."""

    def serve_forever(self) -> None:
        """Serve until closed."""

    def close(self) -> None:
        """End `serve_forever` and give the port back."""


def nothing_to_reload() -> None:
    """Say that SIGHUP changes nothing."""
    log.info("SIGHUP changes nothing: the configuration is read at the start only, so restart to apply it")


def run(
    work: Work,
    server: Server,
    subject: str,
    where: tuple[str, ...],
    *,
    reload: Callable[[], None] = nothing_to_reload,
    proofs: Mapping[str, Proof] | None = None,
) -> bool:
    """Serve until a signal says stop. False: the server ended by itself. SIGHUP calls `reload`.

    `subject` is what is served, in words: this host, the example host; `where` has its URLs, or the path of a socket.
    Where systemd has a watchdog it is pinged while all of `proofs` hold; without a watchdog none of them is asked.
    """
    happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
    _listen_to_signals(happenings)
    work.start()
    threading.Thread(target=_serve, args=(server, happenings), name="serve", daemon=True).start()
    log.info("serving", extra={"url": where[0], "subject": subject, "version": __version__, "pid": os.getpid()})
    for other in where[1:]:
        log.info("serving there too", extra={"url": other})
    notify("READY=1", f"STATUS=serving {subject} at {where[0]}")
    if sys.stdout.isatty():
        print(f"Bulkhead serves {subject}: open {where[0]} (Ctrl-C ends it)", file=sys.stderr)
    try:
        return _wait(happenings, reload, _watchdog(proofs or {}))
    finally:
        notify("STOPPING=1")
        work.stop()
        server.close()


def urls_to_open(addresses: Iterable[tuple[str, int]], scheme: str = "http") -> tuple[str, ...]:
    """The addresses to type into a browser on this host."""
    return tuple(url_to_open(*address, scheme) for address in addresses)


def url_to_open(host: str, port: int, scheme: str = "http") -> str:
    """The address to type into a browser on this host."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


def raise_open_files_limit() -> None:
    """Allow as many open files as may be: every cgroup file of every container is kept open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # some containers forbid it: the soft limit stays
        log.debug("the limit of open files stays", extra={"reason": str(error)})


def tell_what_root_would_add() -> None:
    """Name once what an ordinary account cannot read; scrapes then say nothing more of it."""
    if os.geteuid() != 0:
        log.warning(
            "not run as root: root's podman socket, /proc of other accounts' containers and their mounts "
            "cannot be read, so most checks stay unknown; run it as root, and see bulkhead doctor",
            extra={"uid": os.geteuid()},
        )


def _listen_to_signals(happenings: queue.SimpleQueue[Happening]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: happenings.put(signal.Signals(received)))


def _serve(server: Server, happenings: queue.SimpleQueue[Happening]) -> None:
    try:
        server.serve_forever()
    except Exception as error:  # noqa: BLE001 - told by the main thread, which waits for it
        happenings.put(error)
    else:
        happenings.put(None)


def _watchdog(proofs: Mapping[str, Proof]) -> Watchdog | None:
    if not watchdog_seconds():
        return None
    faulthandler.enable()  # systemd's SIGABRT then has the journal get where each thread stood
    return Watchdog(proofs)


def _reload(reload: Callable[[], None]) -> None:
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        reload()
    except Exception:  # a bug in it must be seen, and must not end what is served
        log.exception("the configuration could not be read again")
    notify("READY=1")


def _wait(
    happenings: queue.SimpleQueue[Happening], reload: Callable[[], None], watchdog: Watchdog | None = None
) -> bool:
    while True:
        if watchdog is not None:
            watchdog.look()
        try:
            happening = happenings.get(timeout=min(watchdog_seconds() or _WAKE_SECONDS, _WAKE_SECONDS))
        except queue.Empty:
            continue
        if happening is signal.SIGHUP and not sys.stdin.isatty():
            _reload(reload)
        elif isinstance(happening, signal.Signals):
            log.info("stopping", extra={"signal": happening.name})
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)  # who asks twice does not want to wait
            return True
        else:
            log.error("the server ended", extra={"reason": str(happening or "for no reason that it told")})
            return False
