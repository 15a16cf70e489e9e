"""The command line that made a container: the only place where Z, z, U and idmap of a started bind mount are kept.

From inspect's Config.CreateCommand. It may hold secrets (`--env`, `--secret`), so nothing but the flags of its volumes
and its user namespace leave this module:

    ["/usr/bin/podman", "run", "--name", "objects02", "--rm", "-d", "--userns", "auto",
     "-v", "/data/containers/objects02:/data:rw,Z", "localhost/lab", "/bin/hold", "96"]
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

BOOLEAN_FLAGS = frozenset({
    *("--detach", "--disable-content-trust", "--env-host", "--help", "--http-proxy", "--infra", "--init"),
    *("--interactive", "--no-healthcheck", "--no-hostname", "--no-hosts", "--oom-kill-disable", "--passwd"),
    *("--privileged", "--publish-all", "--quiet", "--read-only", "--read-only-tmpfs", "--replace", "--rm", "--rmi"),
    *("--rootfs", "--sig-proxy", "--tls-verify", "--tty", "--unsetenv-all"),
})  # fmt: skip
"""Flags of podman 4.4 to 5.8 that take no word after them (`podman run --help` names no type for them)."""
BOOLEAN_LETTERS = "diPqt"
WORDS_LIMIT = 4096
FLAGS_LIMIT = 32
UNESCAPED_COLON = re.compile(r"(?<!\\):")
DESTINATION_KEYS = frozenset({"dst", "dest", "destination", "target"})
MOUNT_FLAGS = {"U": "U", "chown": "U", "Z": "Z", "z": "z", "idmap": "idmap", "ro": "ro", "readonly": "ro", "rw": "rw"}
RELABEL = {"private": "Z", "shared": "z"}
KEY_WIDTH = 32


@dataclass(frozen=True, slots=True)
class CreateFlags:
    """What was typed."""

    volumes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # destination: flags
    userns: str = ""  # the last --userns


def parse_create_command(words: Sequence[str]) -> CreateFlags:
    """What `words` ask of volumes and of the user namespace; podman takes one mount for a destination, so the first."""
    volumes: dict[str, tuple[str, ...]] = {}
    userns = ""
    for flag, value in _flags(words[:WORDS_LIMIT]):
        match flag:
            case "-v" | "--volume":
                destination, options = _volume(value)
            case "--mount":
                destination, options = _mount(value)
            case "--userns":
                userns = value
                continue
            case _:
                continue
        if destination:
            volumes.setdefault(posixpath.normpath(destination), tuple(dict.fromkeys(options))[:FLAGS_LIMIT])
    return CreateFlags(volumes, userns)


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Podman's own flags with their values, up to the image: what follows it is the container's command."""
    rest = iter(words)
    for word in rest:
        if word in {"run", "create"}:
            break
    for word in rest:
        if word == "--" or not word.startswith("-") or word == "-":
            return
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if equals:
                yield name, value
            elif name not in BOOLEAN_FLAGS:
                yield name, next(rest, "")
            continue
        letters = word[1:].lstrip(BOOLEAN_LETTERS)
        if letters:
            yield f"-{letters[0]}", letters[1:].removeprefix("=") or next(rest, "")


def _volume(value: str) -> tuple[str, list[str]]:
    """Destination and flags of `SOURCE:DESTINATION:rw,Z`; a destination alone is an anonymous volume."""
    parts = [part.replace("\\:", ":") for part in UNESCAPED_COLON.split(value)]
    if len(parts) == 1:
        return parts[0], []
    options = parts[2].split(",") if len(parts) > 2 else []  # noqa: PLR2004 - SOURCE:DESTINATION:OPTIONS
    return parts[1], [option.partition("=")[0][:KEY_WIDTH] for option in options if option]


def _mount(value: str) -> tuple[str, list[str]]:
    """Destination and flags of `type=bind,src=/a,dst=/b,relabel=private,ro=true`, in the words of --volume."""
    destination, flags = "", []
    for option in value.split(","):
        key, _, setting = option.partition("=")
        if key in DESTINATION_KEYS:
            destination = setting
        elif key == "relabel" and setting in RELABEL:
            flags.append(RELABEL[setting])
        elif key in MOUNT_FLAGS and setting.lower() not in {"false", "0"}:
            flags.append(MOUNT_FLAGS[key])
    return destination, flags
