"""What a setting's value may be: one `Kind` for each sort of value, with the words for its errors."""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.facts.podman import PodmanSocket

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_ACCOUNT = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}\$?", re.ASCII)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}", re.ASCII)
# A label of an alert's own wins over an external one of the same name, so this one would never be seen.
_OWN_LABELS = frozenset({"alertname", "severity", "condition", "container", "instance", "job"})
# What the name of a dataset may hold (zfs_namecheck.c), and what makes a pattern of it.
_DATASET_PATTERN = re.compile(r"[A-Za-z0-9_.: /*?\[\]!-]{1,255}", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)
_MOST_PATTERNS = 100
_MOST_ADDRESSES = 16
_LONGEST_LABEL = 253
_LONGEST_SHOWN = 60
_LARGEST_PORT = 65535
_LARGEST_INTEGER = 2**63  # TOML's own promise; Python refuses to print integers of thousands of digits


class NotAllowed(Exception):
    """The value is none of the kind. A message, where there is one, says more than the kind's words."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of value. `parse` takes what TOML (or a flag) gave and raises NotAllowed."""

    allowed: str
    parse: Callable[[object], object]


def listen_address(text: str) -> tuple[str, int]:
    """Host ("" is every address) and port of `HOST:PORT`, `[IPV6]:PORT` or `:PORT`. Raises NotAllowed."""
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"]) > _LARGEST_PORT:
        raise NotAllowed
    check_ipv6(found["v6"])
    return found["v6"] or found["host"], int(found["port"])


def check_ipv6(text: str | None) -> None:
    """Pass for an IPv6 address, and for None: there is none. Raises NotAllowed."""
    try:
        ipaddress.IPv6Address(text or "::")
    except ValueError:
        raise NotAllowed from None


def podman_socket(text: str) -> PodmanSocket:
    """The socket of `PATH`, `unix://PATH`, `USER=PATH` or `USER=unix://PATH`. Raises NotAllowed."""
    user, equals, place = text.partition("=")
    if not equals or text.startswith(("/", "unix:")):
        user, place = "", text
    elif not _ACCOUNT.fullmatch(user):
        raise NotAllowed
    path = place.removeprefix("unix://")
    _absolute_path(path)
    return PodmanSocket("unix://" + path, "" if user == "root" else user)


def unknown_key(table: str, key: str, known: Sequence[str]) -> str:
    """The words for a key that no item of an array of tables has."""
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    name = key if _PLAIN_KEY.fullmatch(key) else shown(key)
    return f"unknown key {table}.{name}: {hint}allowed here: {', '.join(known)}"


def shown(value: object) -> str:
    """A value as an error message quotes it: as TOML writes it, and short."""
    match value:
        case bool():
            text = str(value).lower()
        case int() if abs(value) > _LARGEST_INTEGER:
            text = "an integer of more than 64 bits"
        case str():
            text = json.dumps(value)
            text = text if len(text) <= _LONGEST_SHOWN else f'{text[:_LONGEST_SHOWN]}..."'
        case list():
            text = f"an array of {len(value)}"
        case dict():
            text = "a table"
        case dt.date() | dt.time():
            text = value.isoformat()
        case _:
            text = str(value)
    return text


def _listen(value: object) -> tuple[str, ...]:
    addresses = (value,) if isinstance(value, str) else value
    if not isinstance(addresses, list | tuple):
        raise NotAllowed
    if not 0 < len(addresses) <= _MOST_ADDRESSES:
        raise NotAllowed(f"found {len(addresses)} addresses")
    for position, item in enumerate(addresses, start=1):
        try:
            listen_address(_text(item))
        except NotAllowed:
            where = "" if isinstance(value, str) else f" as item {position}"
            raise NotAllowed(f"found {shown(item)}{where}") from None
        if item in addresses[: position - 1]:
            raise NotAllowed(f"item {position}, {shown(item)}, is there twice")
    return tuple(addresses)


def _absolute_path(value: object) -> Path:
    text = _text(value)
    if not text.startswith("/") or any(character < " " for character in text):
        raise NotAllowed
    return Path(text)


def _optional_file(value: object) -> Path | None:
    return None if value is None or value == "" else _absolute_path(value)


def _sockets(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise NotAllowed(f"found {shown(value)}, which is no array")
    sockets: list[PodmanSocket] = []
    for position, item in enumerate(value, start=1):
        try:
            socket = podman_socket(_text(item))
        except NotAllowed:
            raise NotAllowed(f"found {shown(item)} as item {position}") from None
        if any(socket.url == other.url for other in sockets):
            raise NotAllowed(f"item {position}, {shown(item)}, is there twice")
        if any(socket.user == other.user for other in sockets):
            whose = f"user {socket.user}" if socket.user else "root"
            raise NotAllowed(f"item {position}, {shown(item)}, is a second socket of {whose}")
        sockets.append(socket)
    return tuple(sockets)


def _dataset_patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise NotAllowed(f"found {shown(value)}, which is no array")
    if len(value) > _MOST_PATTERNS:
        raise NotAllowed(f"found {len(value)} of them")
    for position, item in enumerate(value, start=1):
        if not isinstance(item, str) or not _DATASET_PATTERN.fullmatch(item):
            raise NotAllowed(f"found {shown(item)} as item {position}")
        if item in value[: position - 1]:
            raise NotAllowed(f"item {position}, {shown(item)}, is there twice")
    return tuple(value)


def _hosts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise NotAllowed(f"found {shown(value)}, which is no array")
    if len(value) > _MOST_PATTERNS:
        raise NotAllowed(f"found {len(value)} of them")
    for position, item in enumerate(value, start=1):
        if item != "*" and not (isinstance(item, str) and _HOST_NAME.fullmatch(item)):
            raise NotAllowed(f"found {shown(item)} as item {position}")
    return tuple(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotAllowed
    return value


def _number(smallest: float, largest: float) -> Callable[[object], object]:
    def parse(value: object) -> float:
        # A bool is an int to Python, not to TOML; nan is in no range.
        if isinstance(value, bool) or not isinstance(value, int | float) or not smallest <= value <= largest:
            raise NotAllowed
        return value

    return parse


def _whole_number(smallest: int, largest: int) -> Callable[[object], object]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
            raise NotAllowed
        return value

    return parse


def _one_of(words: tuple[str, ...]) -> Callable[[object], object]:
    def parse(value: object) -> str:
        if value not in words:
            raise NotAllowed
        return str(value)

    return parse


def _instance(value: object) -> str:
    text = _text(value)
    if len(text) > _LONGEST_LABEL or not (text.isprintable()):
        raise NotAllowed
    return text


def _label_value(value: object) -> str:
    if not (text := _instance(value)):
        raise NotAllowed
    return text


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise NotAllowed
    for name, text in value.items():
        if not _LABEL_NAME.fullmatch(name) or name in _OWN_LABELS:
            raise NotAllowed(f"found {shown(name)} as a name")
        try:
            _label_value(text)
        except NotAllowed:
            raise NotAllowed(f"found {shown(text)} as {name}") from None
    return tuple(sorted(value.items()))


LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("logfmt", "json")

ADDRESSES = Kind(
    'HOST:PORT, [IPV6]:PORT or :PORT (every address), as "127.0.0.1:9946", '
    f"or an array of up to {_MOST_ADDRESSES} of these",
    _listen,
)
ABSOLUTE_PATH = Kind('an absolute path, as "/var/lib/bulkhead"', _absolute_path)
HOSTS = Kind(f'up to {_MOST_PATTERNS} names without a port, as "metrics.example.org"; "*" is every name', _hosts)
OPTIONAL_FILE = Kind('an absolute path, as "/etc/bulkhead/web.yml", or "" for none', _optional_file)
PODMAN_SOCKETS = Kind(
    'absolute paths, one a user, as "/run/podman/podman.sock", "alice=/run/user/1000/podman/podman.sock"',
    _sockets,
)
SECONDS = Kind("a number of seconds from 1 to 86400", _number(1, 86400))
DATASET_PATTERNS = Kind(
    f'up to {_MOST_PATTERNS} patterns of dataset names with *, ? and [...], as "tank/backup/*"', _dataset_patterns
)
DAYS = Kind("a number of days from 0.01 to 3650", _number(0.01, 3650))
REQUEST_SECONDS = Kind("a number of seconds from 0.1 to 60", _number(0.1, 60))
RESEND_SECONDS = Kind("a number of seconds from 1 to 3600", _number(1, 3600))
INSTANCE = Kind('a text, as "host1:9946", or "" for HOSTNAME:PORT', _instance)
LABEL_VALUE = Kind("a text of 1 to 253 characters", _label_value)
LABELS = Kind('label names and their values, as { datacenter = "east" }', _labels)
LONG_SECONDS = Kind("a number of seconds from 0 to 31536000, a year", _number(0, 31_536_000))
RATIO = Kind("a ratio from 0.01 to 1, as 0.9", _number(0.01, 1))
RESTARTS = Kind("a number of restarts from 1 to 1000", _number(1, 1000))
COUNT = Kind("a whole number from 1 to 10000000", _whole_number(1, 10_000_000))
LOG_LEVEL = Kind("one of " + ", ".join(f'"{level}"' for level in LOG_LEVELS), _one_of(LOG_LEVELS))
LOG_FORMAT = Kind("one of " + ", ".join(f'"{name}"' for name in LOG_FORMATS), _one_of(LOG_FORMATS))
