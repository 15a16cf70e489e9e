"""What is true of the limits of a container: admin-guide/cgroup-v2, and what podman and systemd were asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.assess.truth.answer import Answer, Oracle, every, is_declared, known, stands
from tests.assess.truth.world import CPUS, MEMORY_TOTAL_BYTES, TASKS_MAX, Box, World, is_below

_COMMON = frozenset({"system.slice", "machine.slice", "user.slice", "app.slice"})
_PAGE_BYTES = 4096


def _above(path: str) -> Iterator[str]:
    """The cgroup and all above it, the root left out."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _own_levels(world: World, box: Box) -> list[str]:
    """Those that hold this container alone, and are nobody else's by their name."""
    found = []
    for path in _above(box.cgroup):
        is_shared = any(is_below(other.cgroup, path) for other in world.boxes if other is not box)
        if is_shared or path.rpartition("/")[2] in _COMMON:
            break
        found.append(path)
    return found


def _figure(world: World, path: str, file: str) -> float | None:
    """What the kernel enforces there; None: nothing. A CPU limit is quota over period."""
    words = world.cgroups[path].texts.get(file, "max").split()
    if words[0] == "max":
        return None
    return int(words[0]) / int(words[1]) if len(words) > 1 else int(words[0])


def _limited(file: str, at_most: float = math.inf) -> Oracle:
    def answer(world: World, box: Box) -> Answer:
        levels = _own_levels(world, box)
        read = [path for path in levels if file not in world.cgroups[path].faults]
        figures = [figure for path in read if (figure := _figure(world, path, file)) is not None]
        if "cgroup" not in world.silent and any(figure <= at_most for figure in figures):
            return Answer.STANDS
        return every([known("cgroup" not in world.silent and len(read) == len(levels)), Answer.FALLS])

    return answer


def _twice(world: World, box: Box) -> Answer:
    payload, *outer = _own_levels(world, box) or [box.cgroup]
    answers = [known("cgroup" not in world.silent)]
    for file in ("memory.max", "cpu.max"):
        answers.append(stands(_figure(world, payload, file) is not None))
        answers.append(known(file not in world.cgroups[payload].faults))
        is_kept = any(
            _figure(world, path, file) is not None and file not in world.cgroups[path].faults
            for path in outer
            if not path.endswith(".scope")
        )
        answers.append(stands(is_kept))
    return every(answers)


def _own_slice(world: World, box: Box) -> Answer:
    path = next((level for level in _above(box.cgroup) if level.endswith(".slice")), "")
    others = [other for other in world.boxes if other is not box and other.living and is_below(other.cgroup, path)]
    is_own = bool(path) and path.rpartition("/")[2] not in _COMMON and not others
    return every([known("cgroup" not in world.silent), stands(is_own)])


def _accounted(world: World, box: Box) -> Answer:
    payload = world.cgroups[box.cgroup]
    is_read = "cgroup" not in world.silent and "cgroup.controllers" not in payload.faults
    return every([known(is_read), stands({"cpu", "memory"} <= set(payload.texts["cgroup.controllers"].split()))])


@dataclass(frozen=True)
class _Request:
    """A limit that podman or a unit was asked for, and the cgroups that may have it."""

    file: str
    figure: float
    paths: tuple[str, ...]


def _applied(world: World, box: Box) -> Answer:
    answers = [known("cgroup" not in world.silent and is_declared(world, box) and "systemd" not in world.silent)]
    for request in (*_of_podman(world, box), *_of_units(world, box)):
        readable = [path for path in request.paths if request.file not in world.cgroups[path].faults]
        found = [figure for path in readable if (figure := _figure(world, path, request.file)) is not None]
        if not any(_rounded(request, figure) for figure in found):
            answers.append(Answer.FALLS if len(readable) == len(request.paths) else Answer.UNKNOWABLE)
    return every(answers)


def _rounded(request: _Request, figure: float) -> bool:
    if request.file.startswith("memory"):
        return 0 <= request.figure - figure < _PAGE_BYTES
    return math.isclose(request.figure, figure, rel_tol=2e-3, abs_tol=2e-4)


def _of_podman(world: World, box: Box) -> Iterator[_Request]:
    asked = {name: value for name, value in box.asked.host_config.items() if isinstance(value, int)}
    above = box.cgroup.rpartition("/")[0]
    paths = (box.cgroup, *([above] if above.endswith(".scope") else []))
    memory = asked["Memory"]
    if memory > 0:
        yield _Request("memory.max", memory, paths)
    has_swap = "memory.swap.current" in world.cgroups[box.cgroup].texts
    if asked["MemorySwap"] > 0 and has_swap and "memory.swap.current" not in world.cgroups[box.cgroup].faults:
        yield _Request("memory.swap.max", asked["MemorySwap"] - memory, paths)
    if asked["CpuQuota"] > 0:
        yield _Request("cpu.max", asked["CpuQuota"] / asked["CpuPeriod"], paths)
    if asked["PidsLimit"] > 0:
        yield _Request("pids.max", asked["PidsLimit"], paths)


def _of_units(world: World, box: Box) -> Iterator[_Request]:
    """What the unit, and a slice that is the container's own, were asked for."""
    files = {"memory_max_bytes": "memory.max", "cpu_quota_cores": "cpu.max", "tasks_max": "pids.max"}
    for path in _own_levels(world, box):
        name = path.rpartition("/")[2]
        if name == box.asked.unit or name.endswith(".slice"):
            for key, figure in world.units.get(name, {}).items():
                yield _Request(files[key], figure, (path,))


ORACLES: dict[str, Oracle] = {
    "memory_limited": _limited("memory.max", MEMORY_TOTAL_BYTES),
    "cpu_limited": _limited("cpu.max", CPUS),
    "pids_limited": _limited("pids.max", TASKS_MAX),
    "memory_high_set": _limited("memory.high", MEMORY_TOTAL_BYTES),
    "swap_limited": _limited("memory.swap.max"),
    "limits_redundant": _twice,
    "limits_applied": _applied,
    "own_slice": _own_slice,
    "resource_accounting": _accounted,
}
