"""Who is let in by name and password: HTTP's basic authentication (RFC 7617), against bcrypt hashes.

    Authorization: Basic cHJvbWV0aGV1czpzZWNyZXQ=        prometheus:secret

A bcrypt check takes tens of milliseconds of a processor on purpose, so a pair that was right once is remembered: by a
keyed hash, in memory alone. A password that is not right is checked again each time, and those checks are bounded: two
at once, one of them for each client, and a few that wait for a second. Beyond that the answer is 429, without a check;
so who guesses passwords at speed costs others nothing who were let in before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

import bcrypt

from exporter.http.crowd import is_this_host

_CHECKS_MAX = 2  # at once
_WAITING_MAX = 8
_WAIT_SECONDS = 1.0
_REMEMBERED_MAX = 256
_BCRYPT_BYTES = 72  # bcrypt looks at no more; some releases of the library raise beyond, others cut
_SCHEME = "basic "


class Verdict(Enum):
    """What becomes of a request."""

    WELCOME = "goes on"
    UNKNOWN = "401: no user, or not the password"
    BUSY = "429: too many passwords are being checked"


class Users:
    """The users of one web configuration. Safe to use from several threads."""

    def __init__(self, users: tuple[tuple[str, str], ...], check: Callable[[bytes, bytes], bool] | None = None) -> None:
        self._hashes = {name.encode(): value.encode() for name, value in users}
        self._check = check or _is_password_of
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._checking: list[str] = []  # the clients
        self._waiting = 0
        self._changed = threading.Condition()

    def verdict(self, authorization: str | None, client: str, waits: Callable[[], None]) -> Verdict:
        """Of a request with this header from this client. `waits` is called before a wait for other checks."""
        pair = _pair_of(authorization)
        if pair is None:
            return Verdict.UNKNOWN
        name, password = pair
        mark = self._mark(name, password)
        with self._changed:
            if mark in self._remembered:
                self._remembered.move_to_end(mark)
                return Verdict.WELCOME
        with self._turn(client, waits) as is_mine:
            if not is_mine:
                return Verdict.BUSY
            is_right = self._check(password, self._hash_of(name))
        if not is_right or name not in self._hashes:
            return Verdict.UNKNOWN
        with self._changed:
            self._remembered[mark] = None
            while len(self._remembered) > _REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return Verdict.WELCOME

    @contextmanager
    def _turn(self, client: str, waits: Callable[[], None]) -> Iterator[bool]:
        """False: the checks are taken, and stayed so."""

        def is_free() -> bool:
            is_another = client not in self._checking or is_this_host(client)
            return len(self._checking) < _CHECKS_MAX and is_another

        with self._changed:
            is_mine = is_free()
            if not is_mine and self._waiting < _WAITING_MAX:
                self._waiting += 1
                waits()
                is_mine = self._changed.wait_for(is_free, _WAIT_SECONDS)
                self._waiting -= 1
            if is_mine:
                self._checking.append(client)
        try:
            yield is_mine
        finally:
            if is_mine:
                with self._changed:
                    self._checking.remove(client)
                    self._changed.notify_all()

    def _mark(self, name: bytes, password: bytes) -> bytes:
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        digest.update(len(name).to_bytes(4, "big") + name + password)
        return digest.digest()

    def _hash_of(self, name: bytes) -> bytes:
        """The hash to check against: of a name that is nobody's that of some user, so that the check takes as long."""
        hashes = tuple(self._hashes.values())
        stands_in = hashes[int.from_bytes(self._mark(name, b"")[:8], "big") % len(hashes)]
        return self._hashes.get(name, stands_in)


def _pair_of(authorization: str | None) -> tuple[bytes, bytes] | None:
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    try:
        decoded = base64.b64decode(authorization[len(_SCHEME) :].strip(), validate=True)
    except (binascii.Error, ValueError):  # ValueError: a character that is not ASCII
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password[:_BCRYPT_BYTES]) if colon else None


def _is_password_of(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # a zero byte, to some releases of the library
        return False
