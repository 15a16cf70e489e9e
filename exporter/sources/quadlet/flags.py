"""The flags of podman's command line with the line that each stands on (podman-run(1))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.facts.quadlet_file import Origin
from exporter.sources.podman.create_command import BOOLEAN_FLAGS, BOOLEAN_LETTERS
from exporter.sources.quadlet.unit import Words

_LONG = {"-v": "--volume", "-m": "--memory", "-u": "--user", "-c": "--cpu-shares", "--net": "--network"}
_FALSE = frozenset({"0", "f", "false"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag in its long form, its value and where it stands."""

    name: str
    value: str  # "true" for a switch without one
    origin: Origin


@dataclass(frozen=True, slots=True)
class Flags:
    """All flags of one command line, in its order."""

    all: tuple[Flag, ...]

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a flag that adds up."""
        return tuple(flag.value for flag in self.all if flag.name == name)

    def last(self, name: str) -> str:
        """The value that holds; "" when it is not there."""
        found = self.values(name)
        return found[-1] if found else ""

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return bool(self.last(name)) and self.last(name).lower() not in _FALSE


def parse_flags(words: Words) -> Flags:
    """The flags of these words; quadlet puts the image after them, so nothing among them ends them but `--`."""
    return Flags(tuple(_flags(words)))


def _flags(words: Words) -> Iterator[Flag]:
    rest = iter(words)
    for word, origin in rest:
        if word == "--" or not word.startswith("-"):
            return  # podman takes this word for the image
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if not equals:
                value = "true" if name in BOOLEAN_FLAGS else next(rest, ("", origin))[0]
            yield Flag(_LONG.get(name, name), value, origin)
            continue
        letters = word[1:].lstrip(BOOLEAN_LETTERS)
        if letters:
            value = letters[1:].removeprefix("=") or next(rest, ("", origin))[0]
            yield Flag(_LONG.get(f"-{letters[0]}", f"-{letters[0]}"), value, origin)
