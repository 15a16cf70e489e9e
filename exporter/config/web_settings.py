"""What the web configuration says, as frozen types: all that the web side has to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What the server shows, and whom it lets in, by certificate."""

    cert_file: Path
    key_file: Path
    client_auth_type: str = "NoClientCert"
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[str, ...] = ()  # empty: every certificate that the authority has signed
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()  # of TLS 1.2, in OpenSSL's names; empty: Python's
    prefer_server_cipher_suites: bool = True
    curve: str = ""  # in OpenSSL's name; "": all of OpenSSL's


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the web configuration says; without a file: plain HTTP, for everybody who reaches the port."""

    tls: TlsSettings | None = None
    users: tuple[tuple[str, str], ...] = ()  # name, bcrypt hash; empty: no password is asked for
    headers: tuple[tuple[str, str], ...] = ()
