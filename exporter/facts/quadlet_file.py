"""What a quadlet file asks for, before it is deployed, in the same types that podman and systemd answer in.

podman-systemd.unit(5). Each thing asked for remembers the line that asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.facts.container import Container
from exporter.facts.unit import Unit


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something is written."""

    file: str
    line: int  # from 1


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a file asks for."""

    name: str  # a podman flag in its long form (--cap-add), a key of [Service] (MemoryMax), a section ([Container])
    origin: Origin


@dataclass(frozen=True, slots=True)
class QuadletFile:
    """One quadlet with its drop-ins. A template is judged as it stands, and each of its instances for itself."""

    path: str
    unit_name: str  # web.service
    container: Container | None  # what podman would be asked for; None: no file of a container
    unit: Unit | None
    requests: tuple[Request, ...] = ()  # in the order of writing; of one name, the last holds
    tree: str = ""  # the files of one tree will run beside each other
    asked: bool = True  # False: it is there for its neighbours' sake, nobody asked for a judgement


@dataclass(frozen=True, slots=True)
class QuadletProblem:
    """Why a file, or a line of it, is not what its author meant."""

    path: str
    line: int  # 0: the file as a whole
    message: str


@dataclass(frozen=True, slots=True)
class UnmadeQuadlet:
    """A .container file on this host of which quadlet's generator made no unit: nothing starts its container."""

    path: str
    line: int  # of what keeps it from being made; 0: the file as a whole
    reason: str  # a sentence
    container: str  # that it wants at boot; "": none, or its name is not known
