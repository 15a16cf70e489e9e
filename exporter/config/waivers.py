"""The waivers of the configuration.

[[waivers]]
container = "objects*"          # a pattern of names; or host = true for the host's own checks
check = "read_only_rootfs"      # a check's id, or a pattern of ids
reason = "writes its cache beside its programs, upstream issue 12"
until = 2027-01-31              # the last day (UTC); left out: for ever
"""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from exporter.config.statements import KeyPath
from exporter.config.values import shown, unknown_key
from exporter.report.waiver import Waiver

_KEYS = ("container", "host", "check", "reason", "until")
_LONGEST_TEXT = 500
_DAY_SECONDS = 86400
_Refused = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True)
class CheckIds:
    """The ids of all checks, which a waiver has to match: this package knows none of the checks."""

    container: tuple[str, ...]
    host: tuple[str, ...]


def read_waivers(value: object, ids: CheckIds) -> tuple[tuple[Waiver, ...], list[_Refused]]:
    """The waivers, and what is wrong with them: the key at fault, as ("waivers", "0", "check"), and the words."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, dict) for item in value):
        return (), [(("waivers",), f"waivers: found {shown(value)}; allowed: tables, each [[waivers]]")]
    waivers, refused = [], []
    for number, item in enumerate(value):
        wrong = [(("waivers", str(number), *key), words) for key, words in _wrong(item, ids)]
        refused += wrong
        if not wrong:
            waivers.append(_waiver(item))
    return tuple(waivers), refused


def _wrong(item: dict[str, Any], known: CheckIds) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = [
        ((key,), unknown_key("waivers", key, _KEYS)) for key in item if key not in _KEYS
    ]

    def refuse(key: str, allowed: str) -> None:
        found.append(((key,), f"waivers.{key}: found {shown(item[key])}; allowed: {allowed}"))

    if "container" in item and not _is_text(item["container"]):
        refuse("container", "a name, or a pattern with *, ? and [...]")
    if "host" in item and item["host"] is not True:
        refuse("host", "true, or leave it out")
    if ("container" in item) == ("host" in item):
        found.append(((), "waivers: a waiver needs one of container and host"))
    found += [((), f"waivers: a waiver needs a {key}") for key in ("check", "reason") if key not in item]
    ids = _ids_of(item, known)
    if "check" in item and not (_is_text(item["check"]) and any(fnmatchcase(one, item["check"]) for one in ids)):
        refuse("check", _known(item["check"], ids, of_host=ids is known.host))
    if "reason" in item and not _is_text(item["reason"]):
        refuse("reason", f"a text of 1 to {_LONGEST_TEXT} characters")
    if "until" in item and type(item["until"]) is not dt.date:  # a datetime is a date to Python
        refuse("until", "a date without quotes and time, as 2027-01-31")
    return found


def _ids_of(item: dict[str, Any], known: CheckIds) -> tuple[str, ...]:
    """What can be waived: all, while it is not plain whether the host or a container is meant."""
    if item.get("host") is True and "container" not in item:
        return known.host
    return known.container if item.get("container") and "host" not in item else known.container + known.host


def _known(check: object, ids: tuple[str, ...], *, of_host: bool) -> str:
    near = difflib.get_close_matches(str(check), ids, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    whose = "the host" if of_host else "containers"
    return f"the id of a check of {whose}, or a pattern that some id matches{hint}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and bool(value.strip())


def _waiver(item: dict[str, Any]) -> Waiver:
    until = item.get("until")
    ends_at_seconds = None
    if until is not None:
        ends_at_seconds = dt.datetime(until.year, until.month, until.day, tzinfo=dt.UTC).timestamp() + _DAY_SECONDS
    return Waiver(item.get("container", ""), item["check"], item["reason"], ends_at_seconds)
