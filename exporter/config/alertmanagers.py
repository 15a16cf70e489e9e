"""The Alertmanagers of the configuration: the agent's own alerts go to each of them. Without any, there are none.

[[alertmanagers]]
url = "https://alertmanager.example:9093"
ca_file = "/etc/bulkhead/ca.pem"                  # who may sign its certificate; left out: the system's authorities
cert_file = "/etc/bulkhead/agent.pem"             # the agent's own certificate, with its key
key_file = "/etc/bulkhead/agent.key"
username = "bulkhead"                             # basic authentication, or
password_file = "/etc/bulkhead/password"
bearer_token_file = "/etc/bulkhead/token"         # a bearer token

Secrets are in files, so the configuration may be shown to anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.config.statements import KeyPath
from exporter.config.values import ABSOLUTE_PATH, REQUEST_SECONDS, Kind, NotAllowed, check_ipv6, shown, unknown_key

_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~%-]+)*)/?",
    re.ASCII,
)
_CLEAR = re.compile(r"http://(?!(?:localhost|127\.[0-9.]+|\[::1\])(?::|/|$))")
_LARGEST_PORT = 65535
_MOST = 16
_USERNAME = re.compile(r"[^:\x00-\x1f\x7f]{1,200}")
_Refused = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One Alertmanager, and how to be let in."""

    url: str  # without a slash at its end and without credentials: it is the label of its series
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False
    username: str = ""
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    timeout_seconds: float = 10.0

    @property
    def sends_secret_in_clear(self) -> bool:
        """Whether a password or token goes over the network without TLS. To this host itself it does not."""
        has_secret = self.password_file is not None or self.bearer_token_file is not None
        return has_secret and _CLEAR.match(self.url) is not None


def alertmanager_url(value: object) -> str:
    """The address as it is used and shown. Raises NotAllowed."""
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and "@" in value:
        # The value is not shown: it holds a password.
        raise NotAllowed("found a user in it; put it into username, and the password into password_file")
    if not found or int(found["port"] or 0) > _LARGEST_PORT:
        raise NotAllowed
    check_ipv6(found["v6"])
    return found[0].rstrip("/")


def _bool(value: object) -> object:
    if not isinstance(value, bool):
        raise NotAllowed
    return value


def _username(value: object) -> object:
    if not isinstance(value, str) or not _USERNAME.fullmatch(value):
        raise NotAllowed
    return value


_KINDS = {
    "url": Kind('http://HOST:PORT or https://HOST:PORT, as "http://localhost:9093"', alertmanager_url),
    "ca_file": ABSOLUTE_PATH,
    "cert_file": ABSOLUTE_PATH,
    "key_file": ABSOLUTE_PATH,
    "insecure_skip_verify": Kind("true or false", _bool),
    "username": Kind("a text of 1 to 200 characters without a colon", _username),
    "password_file": ABSOLUTE_PATH,
    "bearer_token_file": ABSOLUTE_PATH,
    "timeout_seconds": REQUEST_SECONDS,
}
_PAIRS = (("cert_file", "key_file"), ("username", "password_file"))
_OF_TLS = ("ca_file", "cert_file", "insecure_skip_verify")


def read_alertmanagers(value: object) -> tuple[tuple[Alertmanager, ...], list[_Refused]]:
    """The Alertmanagers, and what is wrong: the key at fault, as ("alertmanagers", "0", "url"), and the words."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, dict) for item in value):
        found = "; allowed: tables, each [[alertmanagers]]"
        return (), [(("alertmanagers",), f"alertmanagers: found {shown(value)}{found}")]
    if len(value) > _MOST:
        return (), [(("alertmanagers",), f"alertmanagers: found {len(value)}; allowed: up to {_MOST}")]
    peers: list[Alertmanager] = []
    refused: list[_Refused] = []
    for number, item in enumerate(value):
        settings, wrong = _settings(item)
        if not wrong and any(peer.url == settings["url"] for peer in peers):
            wrong = [(("url",), f"alertmanagers.url: {shown(settings['url'])} is there twice")]
        refused += [(("alertmanagers", str(number), *key), words) for key, words in wrong]
        if not wrong:
            peers.append(Alertmanager(**settings))
    return tuple(peers), refused


def _settings(item: dict[str, Any]) -> tuple[dict[str, Any], list[_Refused]]:
    settings: dict[str, Any] = {}
    wrong: list[_Refused] = []
    for key, value in item.items():
        kind = _KINDS.get(key)
        if kind is None:
            wrong.append(((key,), unknown_key("alertmanagers", key, tuple(_KINDS))))
            continue
        try:
            settings[key] = kind.parse(value)
        except NotAllowed as error:
            words = f"{str(error) or f'found {shown(value)}'}; allowed: {kind.allowed}"
            wrong.append(((key,), f"alertmanagers.{key}: {words}"))
    return settings, wrong + list(_contradictions(item))


def _contradictions(item: dict[str, Any]) -> Iterator[_Refused]:
    if "url" not in item:
        yield (), "alertmanagers: an Alertmanager needs a url"
    for one, other in _PAIRS:
        if (one in item) != (other in item):
            has, lacks = (one, other) if one in item else (other, one)
            yield (has,), f"alertmanagers.{has}: needs {lacks} as well"
    if "bearer_token_file" in item and "password_file" in item:
        yield ("bearer_token_file",), "alertmanagers.bearer_token_file: choose between it and password_file"
    if "ca_file" in item and item.get("insecure_skip_verify") is True:
        yield ("insecure_skip_verify",), "alertmanagers.insecure_skip_verify: makes ca_file useless; choose one"
    if str(item.get("url", "")).startswith("http://"):
        for key in _OF_TLS:
            if key in item:
                yield (key,), f"alertmanagers.{key}: is of https:// alone"
