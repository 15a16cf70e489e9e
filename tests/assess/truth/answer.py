"""What is true of a wall, and how several answers become a single answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeAlias

from tests.assess.truth.world import Box, Cgroup, World


class Answer(Enum):
    """What is true of a wall."""

    STANDS = "stands"
    FALLS = "does not stand"
    UNKNOWABLE = "cannot be known"


Oracle: TypeAlias = Callable[[World, Box], Answer]


def every(answers: Iterable[Answer]) -> Answer:
    """A wall of several parts: it falls with the first of them, and stands when all are known to."""
    found = set(answers)
    for answer in (Answer.FALLS, Answer.UNKNOWABLE):
        if answer in found:
            return answer
    return Answer.STANDS


def stands(holds: bool) -> Answer:  # noqa: FBT001 - the sentence that is asked is each caller's
    """The answer where all is known."""
    return Answer.STANDS if holds else Answer.FALLS


def known(is_known: bool) -> Answer:  # noqa: FBT001 - as above
    """What a fact adds to an answer that needs it."""
    return Answer.STANDS if is_known else Answer.UNKNOWABLE


def all_named(world: World, box: Box) -> Answer:
    """Whether each process of the container, and each thread of it, can be named at all."""
    places = {box.cgroup, *(box.cgroup + program.below for program in box.programs)}
    cgroups: list[Cgroup] = [world.cgroups[path] for path in places]
    is_known = (
        "process" not in world.silent
        and bool(box.living)
        and not box.has_hidden
        and not any("cgroup.procs" in cgroup.faults for cgroup in cgroups)
        and not any("task" in program.faults and len(program.tasks) > 1 for program in box.programs if not program.gone)
    )
    return known(is_known)


def is_declared(world: World, box: Box) -> bool:
    """Whether podman says now what was asked for."""
    return "podman" not in world.silent and box.asked.is_inspected
