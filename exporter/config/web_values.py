"""What a value of the web configuration may be. The kinds take what YAML wrote: a text, a bool, a tuple of texts."""

from __future__ import annotations

import re
from collections.abc import Callable

from exporter.config import tls_names
from exporter.config.values import Kind, NotAllowed, shown

# Algorithm, cost, and 22 characters of salt with 31 of the hash.
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)
_COSTS = range(4, 15)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,2000}[\x21-\x7e])?", re.ASCII)
_SANS_MAX = 100
_LONGEST_TEXT = 1000
VERIFIES = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
"""The kinds of client authentication that look at the certificate."""
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT or not value.isprintable():
        raise NotAllowed
    return value


def _bool(value: object) -> object:
    if not isinstance(value, bool):
        raise NotAllowed
    return value


def _client_auth(value: object) -> object:
    if value in _UNVERIFIED:
        words = "a certificate that nobody verifies lets everybody in, and Python's ssl has no such mode"
        raise NotAllowed(f"found {shown(value)}: {words}")
    if value not in ("NoClientCert", *VERIFIES):
        raise NotAllowed
    return value


def _protocol(value: object) -> object:
    if value in tls_names.OLD_VERSIONS:
        raise NotAllowed(f"found {shown(value)}, which OpenSSL and RFC 8996 have given up")
    if value not in tls_names.VERSIONS:
        raise NotAllowed
    return value


def _texts(value: object, most: int) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise NotAllowed
    if not 0 < len(value) <= most:
        raise NotAllowed(f"found {len(value)} of them")
    for position, item in enumerate(value, start=1):
        if not isinstance(item, str) or not item.isprintable() or len(item) > _LONGEST_TEXT:
            raise NotAllowed(f"found something else than a text as item {position}")
    return value


def _cipher_suites(value: object) -> tuple[str, ...]:
    found: list[str] = []
    for name in _texts(value, len(tls_names.CIPHERS)):
        if name in tls_names.CIPHERS_OF_TLS13:
            raise NotAllowed(f"found {shown(name)}, which is of TLS 1.3: all of those are on, and ssl cannot choose")
        if name not in tls_names.CIPHERS:
            raise NotAllowed(f"found {shown(name)}")
        found.append(tls_names.CIPHERS[name])
    return tuple(found)


def _curve(value: object) -> str:
    names = _texts(value, _SANS_MAX)
    if len(names) > 1:
        raise NotAllowed(f"found {len(names)} of them, and Python's ssl can be given a single curve")
    if names[0] not in tls_names.CURVES:
        raise NotAllowed(f"found {shown(names[0])}")
    return tls_names.CURVES[names[0]]


def _bcrypt(value: object) -> str:
    # What was found is not shown: it may be a password.
    found = _BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise NotAllowed("found no bcrypt hash")
    if int(found["cost"]) not in _COSTS:
        raise NotAllowed(f"found a cost of {found['cost']}")
    return found[0]


def _header(*words: str) -> Callable[[object], object]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value) or (words and value not in words):
            raise NotAllowed
        return value

    return parse


FILE = Kind("the path of a file, relative to this one or absolute", _text)
CLIENT_AUTH = Kind(f"NoClientCert, {', '.join(VERIFIES)}", _client_auth)
SANS = Kind(
    f"a list of 1 to {_SANS_MAX} names of the clients' certificates: DNS, IP, e-mail, URI",
    lambda value: _texts(value, _SANS_MAX),
)
PROTOCOL = Kind(" or ".join(tls_names.VERSIONS), _protocol)
CIPHER_SUITES = Kind(f"a list of {', '.join(tls_names.CIPHERS)}", _cipher_suites)
PREFERENCE = Kind("true or false", _bool)
CURVES = Kind(f"a list of one of {', '.join(tls_names.CURVES)}; left out, clients choose, X25519 included", _curve)
USER = Kind(
    f"a bcrypt hash with a cost from {_COSTS[0]} to {_COSTS[-1]}, as `htpasswd -nBC 10 '' | tr -d ':\\n'` prints it",
    _bcrypt,
)
_ANY_TEXT = "a text of printable ASCII on one line; left out, Bulkhead's own stays"
HEADERS = {
    "Content-Security-Policy": Kind(_ANY_TEXT, _header()),
    "Strict-Transport-Security": Kind(_ANY_TEXT, _header()),
    "X-Content-Type-Options": Kind("nosniff", _header("nosniff")),
    "X-Frame-Options": Kind("deny or sameorigin", _header("deny", "sameorigin")),
    "X-XSS-Protection": Kind(_ANY_TEXT, _header()),
}
"""Those that the format has."""
