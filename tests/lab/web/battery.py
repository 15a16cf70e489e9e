"""Runs in the guest: an attack on the front's port, or an honest scraper beside it.

    battery.py attack NAME FILE    until it is ended; the file has how often it began: 5321
    battery.py honest URL [CA]     prints what it met: {"answers": ["200", ...], "seconds": [0.2, ...]}

The attackers come from addresses of this host that are not the scraper's, and begin anew whatever the server ends.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import selectors
import socket
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

PORT = 9946
HERE = ("127.0.0.1", PORT)
PAGES = 8
FORMS = (
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"GET /metrics HTTP/1.1\nHost: localhost\n\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
)
over = threading.Event()
begun = itertools.count()


def connected(number: int) -> socket.socket:
    """A connection from one of four addresses of this host."""
    connection = socket.socket()
    connection.settimeout(5)
    connection.bind((f"127.0.1.{number % 4 + 1}", 0))
    connection.connect(HERE)
    return connection


def again(one: Callable[[int], None], threads: int) -> None:
    """The same, over and over, by so many at once."""

    def work(number: int) -> None:
        while not over.is_set():
            next(begun)
            with contextlib.suppress(OSError):
                one(number)
            number += threads

    for number in range(threads):
        threading.Thread(target=work, args=(number,), daemon=True).start()


def held(said: bytes, count: int, *, byte_a_second: bytes = b"") -> None:
    """So many connections that have said this and wait, each begun anew when it is ended."""

    def work() -> None:
        connections: dict[int, socket.socket] = {}
        selector = selectors.DefaultSelector()
        number = 0
        while not over.is_set():
            while len(connections) < count and not over.is_set():
                number += 1
                try:
                    connection = connected(number)
                    connection.sendall(said)
                except OSError:
                    break
                next(begun)
                connections[connection.fileno()] = connection
                selector.register(connection, selectors.EVENT_READ)
                if number % 100 == 0:
                    take_ended(connections, selector, 0)
            take_ended(connections, selector, 0.2)
            if byte_a_second:
                for connection in connections.values():
                    with contextlib.suppress(OSError):
                        connection.send(byte_a_second)

    threading.Thread(target=work, daemon=True).start()


def take_ended(connections: dict[int, socket.socket], selector: selectors.BaseSelector, seconds: float) -> None:
    for key, _ in selector.select(seconds):
        connection = connections[key.fd]
        try:
            is_over = not connection.recv(65536)
        except OSError:
            is_over = True
        if is_over:
            selector.unregister(connection)
            del connections[key.fd]
            connection.close()


def idle() -> None:
    """10,000 connections that say nothing."""
    held(b"", 10_000)


def slow_heads() -> None:
    """A head that never ends, a byte at a time."""
    held(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 500, byte_a_second=b"a")


def slow_readers() -> None:
    """Pages that are asked for and read a byte at a time."""

    def one(number: int) -> None:
        with connected(number) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            while not over.wait(0.5) and connection.recv(1):
                pass

    again(one, 200)


def never_read() -> None:
    """Pages that are asked for, and never read."""

    def one(number: int) -> None:
        with connected(number) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
            over.wait(5)

    again(one, 200)


def long_heads() -> None:
    """Heads of 64 KiB, in one line and in many."""

    def one(number: int) -> None:
        line = b"X-Long: " + b"a" * 65536 + b"\r\n" if number % 2 else b"X-Short: a\r\n" * 6000
        with connected(number) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n")
            while connection.recv(65536):
                pass

    again(one, 40)


def pipelined() -> None:
    """A hundred requests in one packet."""

    def one(number: int) -> None:
        with connected(number) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    again(one, 20)


def smuggled() -> None:
    """Framing that a proxy may read otherwise."""

    def one(number: int) -> None:
        with connected(number) as connection:
            connection.sendall(FORMS[number % len(FORMS)])
            while connection.recv(65536):
                pass

    again(one, 20)


def scrapers() -> None:
    """A hundred scrapers at once."""

    def one(number: int) -> None:
        with connected(number) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while connection.recv(1 << 20):
                pass

    again(one, 100)


def bad_tls() -> None:
    """Handshakes that are no handshakes, stop in the middle, or want what is not spoken."""
    said = (
        b"\x16\x03\x01\x40\x00" + b"\x00" * 100,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
    )
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE

    def one(number: int) -> None:
        with connected(number) as connection:
            if number % 5 == 4:
                with old.wrap_socket(connection) as wrapped:
                    wrapped.unwrap()
            else:
                connection.sendall(said[number % 5])
                while connection.recv(65536):
                    pass

    again(one, 40)
    held(b"\x16\x03\x01", 300)


def guessed() -> None:
    """Passwords at speed."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE

    def one(number: int) -> None:
        with connected(number) as connection, lax.wrap_socket(connection) as wrapped:
            pair = base64.b64encode(f"prometheus:{number}".encode())
            wrapped.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + pair + b"\r\n\r\n")
            wrapped.recv(65536)

    again(one, 40)


ATTACKS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        idle,
        slow_heads,
        slow_readers,
        never_read,
        long_heads,
        pipelined,
        smuggled,
        scrapers,
        bad_tls,
        guessed,
    )
}


def honest(url: str, context: ssl.SSLContext | None) -> Iterator[tuple[str, float]]:
    """Status, or what went wrong, and seconds of a page, again and again; the URL may have a name and a password."""
    scheme, _, rest = url.partition("://")
    password, at, place = rest.rpartition("@")
    request = urllib.request.Request(f"{scheme}://{place}")
    if at:
        request.add_header("Authorization", "Basic " + base64.b64encode(password.encode()).decode())
    for _ in range(PAGES):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                answer.read()
                said = str(answer.status)
        except OSError as error:
            said = str(error)
        yield said, round(time.monotonic() - began, 3)
        time.sleep(1)


def main() -> None:
    """Attack, or scrape."""
    match sys.argv[1:]:
        case ["attack", name, file]:
            ATTACKS[name]()
            while True:
                Path(f"{file}.new").write_text(str(next(begun)))
                Path(f"{file}.new").replace(file)
                time.sleep(1)
        case ["honest", url, *authority]:
            context = ssl.create_default_context(cafile=authority[0]) if authority else None
            if context is not None:
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the lab's authority is a plain one of openssl's
            found = list(honest(url, context))
            print(json.dumps({"answers": [one for one, _ in found], "seconds": [one for _, one in found]}))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
