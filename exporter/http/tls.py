"""TLS of the server: the context that its connections are made with, read again when a file of it has changed.

Certificates are renewed while the server runs, often by a program that writes two files one after the other. So a pair
that does not load changes nothing: the one before serves on, the log says why once, and the files are looked at again.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.config.web_settings import TlsSettings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer  # only type checkers have it

log = logging.getLogger("bulkhead")

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_MODES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_State = tuple[tuple[int, ...] | None, ...]
Demand = tuple[TlsSettings, tuple[int, ...] | None]
"""What is asked of a client: the settings, and which authorities, by the state of their file."""


class TlsError(Exception):
    """The certificates cannot be used. The message is one sentence: what, which file, what to do."""


class TlsSocket(ssl.SSLSocket):
    """A connection with TLS, whose ends are closed as those of any socket are."""

    made_under: Demand | None = None
    """What was asked of its client in the handshake."""

    def shutdown(self, how: int) -> None:
        """End one direction or both. The base's own forgets TLS with it, and the answer would leave in the clear."""
        if how == socket.SHUT_WR:
            with suppress(OSError, ValueError):
                self.settimeout(0)
                self.unwrap()  # says that nothing follows; the answer of the client to that is not waited for
        socket.socket.shutdown(self, how)

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send all within the timeout. The base's own allows each record of 16 KiB as long as that."""
        timeout_seconds = self.gettimeout()
        ends_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        rest = memoryview(data).cast("B")
        while rest:
            if ends_at is not None:
                self.settimeout(max(0.001, ends_at - time.monotonic()))
            rest = rest[self.send(rest, flags) :]


class Tls:
    """The certificates of one web configuration. Raises TlsError where they do not load at first."""

    def __init__(self, settings: TlsSettings) -> None:
        self.settings = settings
        files = (settings.cert_file, settings.key_file, settings.client_ca_file)
        self._files = tuple(path for path in files if path is not None)
        self._lock = threading.Lock()
        self._seen = self._state_of_files()
        self._context = _context_of(settings)

    def wrapped(self, connection: socket.socket) -> TlsSocket:
        """The connection with TLS on it, and no handshake yet: that takes as long as the client pleases."""
        # Before the context: authorities that change in between close the connection at its next request.
        demand = self.demand()
        wrapped = self._current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        if not isinstance(wrapped, TlsSocket):  # pragma: no cover - the context says which class
            raise TypeError("the context makes no TlsSocket")
        wrapped.made_under = demand
        return wrapped

    def demand(self) -> Demand:
        """What is asked of a client that connects now. The server's own certificate is no part of it."""
        authorities = self.settings.client_ca_file
        return self.settings, _state_of(authorities) if authorities else None

    def lets_in(self, connection: TlsSocket) -> bool:
        """Whether the certificate has one of the allowed names; its signature has been verified in the handshake."""
        if not self.settings.client_allowed_sans:
            return True
        certificate: Mapping[str, Any] = connection.getpeercert() or {}
        names = {_plain(sort, name) for sort, name in certificate.get("subjectAltName", ())}
        return not names.isdisjoint(self.settings.client_allowed_sans)

    def _current(self) -> ssl.SSLContext:
        with self._lock:
            state = self._state_of_files()
            if state != self._seen:
                self._seen = state
                try:
                    self._context = _context_of(self.settings)
                except TlsError as error:
                    log.error(  # noqa: TRY400 - the sentence says it all
                        "certificates that have changed cannot be used: those before them serve on",
                        extra={"reason": str(error)},
                    )
                else:
                    log.info("certificates read again", extra={"cert_file": str(self.settings.cert_file)})
            return self._context

    def _state_of_files(self) -> _State:
        return tuple(_state_of(path) for path in self._files)


def _state_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # ctime: a key that may be read from now on has changed, too.
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _context_of(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if settings.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    if settings.cipher_suites:
        context.set_ciphers(":".join(settings.cipher_suites))
    if settings.curve:
        context.set_ecdh_curve(settings.curve)
    _load_own(context, settings)
    if settings.client_ca_file is not None:
        _load_authority(context, settings.client_ca_file)
    context.verify_mode = _MODES[settings.client_auth_type]
    return context


def _load_own(context: ssl.SSLContext, settings: TlsSettings) -> None:
    for key, path in (("cert_file", settings.cert_file), ("key_file", settings.key_file)):
        _check_readable(key, path)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        files = f"cert_file {settings.cert_file} and key_file {settings.key_file}"
        raise TlsError(f"{files} do not load: {_reason(error)}; {_remedy(error)}") from None


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    _check_readable("client_ca_file", path)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        remedy = "give the certificates of authorities as PEM"
        raise TlsError(f"client_ca_file {path} does not load: {_reason(error)}; {remedy}") from None


def _check_readable(key: str, path: Path) -> None:
    # OpenSSL says neither which of its files is missing nor which may not be read.
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TlsError(f"{key} {path} cannot be read: {error.strerror}; correct the path or its permissions") from None


def _no_password() -> str:
    raise TlsError("the key of key_file is encrypted, and nobody can be asked for its password; store it decrypted")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).lower().replace("_", " ")
    return "there is nothing of PEM in them" if isinstance(error, ssl.SSLError) else str(error.strerror)


def _remedy(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key has to be that of the first certificate in cert_file"
    return "give the certificate (its issuers after it) and its key as PEM"


def _plain(sort: str, name: str) -> str:
    """A name of a certificate as people write it: OpenSSL writes IPv6 addresses at their full length."""
    if sort == "IP Address":
        with suppress(ValueError):
            return str(ipaddress.ip_address(name.strip()))
    return name
