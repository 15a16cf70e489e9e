r"""The text of a unit file, as quadlet's own parser takes it (systemd.syntax(7), podman-systemd.unit(5)).

    # a comment
    [Container]
    Image=localhost/lab
    PodmanArgs=--memory=128000000b \
    # a comment inside a continuation is left out
      --cpus=1

Quadlet differs from systemd in that a line that is none of these makes it refuse the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.facts.quadlet_file import Origin, QuadletProblem

_SECTION = re.compile(r"\[([^\[\]]*)\][ \t]*")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `Key=Value`, its continuations joined."""

    key: str
    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Section:
    """All lines of one name, wherever they stand."""

    name: str
    origin: Origin  # of its first header
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitText:
    """One parsed file: sections in the order of their first header."""

    sections: tuple[Section, ...]
    problems: tuple[QuadletProblem, ...] = ()
    refused: bool = False  # quadlet cannot load it, and then loads no other of its directory (podman 5.4 to 5.8)

    def section(self, name: str) -> Section | None:
        """The section of that name."""
        return next((one for one in self.sections if one.name == name), None)


def parse_unit_text(content: bytes, path: str) -> UnitText:
    """The sections of a file; every line that quadlet or systemd would refuse is a problem."""
    headers: dict[str, Origin] = {}
    assigned: dict[str, list[Assignment]] = {}
    problems: list[QuadletProblem] = []
    current, refused = "", False
    for number, line, ended in _logical_lines(content):
        text, fault = _decoded(line) if ended else ("", "nothing follows the last backslash: the line is lost.")
        if fault:
            problems.append(QuadletProblem(path, number, fault))
        elif header := _SECTION.fullmatch(text):
            current = header[1]
            headers.setdefault(current, Origin(path, number))
            assigned.setdefault(current, [])
            if not current:
                problems.append(QuadletProblem(path, number, "a section needs a name between [ and ]."))
        elif text.find("=") > 0:
            key, _, value = text.partition("=")
            if not headers:
                refused = True
                problems.append(QuadletProblem(path, number, f"{_shown(key)} stands before the first [Section]."))
            else:
                assigned[current].append(Assignment(key.rstrip(), value.strip(), Origin(path, number)))
        else:
            refused = True
            problems.append(
                QuadletProblem(path, number, f"{_shown(text)} is neither [Section], Key=Value nor a comment.")
            )
    sections = tuple(Section(name, origin, tuple(assigned[name])) for name, origin in headers.items())
    return UnitText(sections, tuple(problems), refused)


def _logical_lines(content: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Lines with their numbers, and whether they ended.

    Continuations are joined; blank lines and comments are left out, inside continuations too.
    """
    pending, start = b"", 0
    lines = content.removesuffix(b"\n").split(b"\n")
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith((b"#", b";")):
            continue
        if line.endswith(b"\\"):
            line = line[:-1]
            if number < len(lines):
                start = start or number
                pending += line
                continue
        yield start or number, pending + line, True
        pending, start = b"", 0
    if pending:
        yield start, pending, False


def _decoded(line: bytes) -> tuple[str, str]:
    """The text of a line, or what keeps it from being text."""
    if b"\0" in line:
        return "", "the line holds a NUL byte: this is no text file."
    try:
        return line.decode(), ""
    except UnicodeDecodeError as error:
        latin = chr(line[error.start])
        return (
            "",
            f"the line is not UTF-8 (byte {line[error.start]:#04x}, {latin!r} in Latin-1): save the file as UTF-8.",
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
