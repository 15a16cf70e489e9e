"""Changes of the cgroup tree: limits, where a container lives, and which files answer."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from tests.assess.truth.secure import LEVEL, LIMITED, PAYLOAD
from tests.assess.truth.world import Cgroup, Fault, World, is_below

_FILES = {
    "memory.max": ("max", "0", "1048576", "511995904", "8000000000", "18446744073709551615"),
    "memory.high": ("max", "1048576"),
    "memory.swap.max": ("max", "0", "511995904"),
    "cpu.max": ("max 100000", "200000 100000", "1000 100000", "400000 200000", "1600000 100000"),
    "pids.max": ("max", "200", "1", "63000", "4194304"),
    "cgroup.controllers": ("", "cpu io pids", "memory"),
}
_NAME_MAX = 200  # of a file


def _levels(rng: Random, world: World) -> list[str]:
    """The cgroups of one container, from the payload up."""
    path, found = rng.choice(world.boxes).cgroup, []
    while path:
        found.append(path)
        path = path.rpartition("/")[0]
    return found


def a_limit_is_another(rng: Random, world: World) -> str:
    """At one level, or at all."""
    levels = _levels(rng, world)
    file = rng.choice([*sorted(_FILES), "cgroup.controllers"])
    text = rng.choice(_FILES[file])
    for path in rng.choice([[rng.choice(levels)], levels[:3], levels]):
        world.cgroups[path].texts[file] = f"{text}\n"
    return f"{file} is {text!r} in cgroups of {levels[0]}"


def a_file_of_a_cgroup_is_not_there(rng: Random, world: World) -> str:
    """As where its controller is off."""
    path = rng.choice(_levels(rng, world))
    file = rng.choice([*sorted(set(_FILES) - {"cgroup.controllers"}), "memory.swap.current"])
    world.cgroups[path].texts.pop(file, None)
    return f"{path} has no {file}"


def a_file_of_a_cgroup_does_not_answer(rng: Random, world: World) -> str:
    """Denied, broken, empty, or what no kernel wrote."""
    path = rng.choice([*_levels(rng, world), *(path for path in world.cgroups if "/inner" in path)])
    file = rng.choice([*sorted(_FILES), "cgroup.procs"])
    fault = rng.choice([Fault.DENIED, Fault.BROKEN, Fault.GARBAGE])
    world.cgroups[path].texts.setdefault(file, "")
    world.cgroups[path].faults[file] = fault
    return f"{path}/{file} {fault.value}"


def a_container_lives_elsewhere(rng: Random, world: World) -> str:
    """By hand, without a slice, or in the slice or the service of its neighbour."""
    box = rng.choice(world.boxes)
    payload = f"libpod-payload-{box.id}"
    neighbour = next(other for other in world.boxes if other is not box).cgroup
    service = neighbour.rpartition("/")[0]
    path = rng.choice(
        [
            f"/machine.slice/libpod-{box.id}.scope/container",
            f"/machine.slice/libpod-{box.id}.scope",
            f"/system.slice/{box.name}.service/{payload}",
            f"/{box.name}.service/{payload}",
            f"/services.slice/{box.name}.service/{payload}",
            f"{service}/{payload}",
            f"{service.rpartition('/')[0]}/{box.name}.service/{payload}",
            f"{service.rpartition('/')[0]}/services-a-b.slice/{box.name}.service/{payload}",
        ]
    )
    is_odd = "\n" in box.name or "/" in box.name or len(box.name) > _NAME_MAX
    if is_odd or "/container" in neighbour or is_below(neighbour, path):
        return "nobody moves"
    for gone in [inner for inner in world.cgroups if box.id in inner]:
        del world.cgroups[gone]
    _make(world, path)
    for program in box.programs:
        program.below = ""
    box.cgroup = path
    return f"{box.name} lives in {path}"


def _make(world: World, path: str) -> None:
    world.cgroups.setdefault(path, Cgroup(dict(PAYLOAD)))
    while path := path.rpartition("/")[0]:
        is_service = path.endswith((".service", ".scope"))
        world.cgroups.setdefault(path, Cgroup(dict(LIMITED if is_service else LEVEL)))


def a_limit_cannot_be_read(rng: Random, world: World) -> str:
    """It is the only cgroup of the container that may have this limit."""
    levels = _levels(rng, world)
    file = rng.choice(sorted(set(_FILES) - {"cgroup.controllers"}))
    for path in levels:
        world.cgroups[path].texts[file] = LEVEL[file]
    path = rng.choice(levels[:3])
    world.cgroups[path].faults[file] = rng.choice([Fault.DENIED, Fault.BROKEN, Fault.EMPTY, Fault.GARBAGE])
    return f"{file} is max but for {path}, where it {world.cgroups[path].faults[file].value}"


def nothing_is_limited(rng: Random, world: World) -> str:
    """In all cgroups of one container, or in its payload's alone."""
    levels = _levels(rng, world)
    some = rng.choice([levels, levels[:1], levels[:2]])
    for path in some:
        world.cgroups[path].texts |= deepcopy(LEVEL)
    return f"no limit in {some}"


CHANGES_OF_CGROUPS = (
    a_limit_is_another,
    a_file_of_a_cgroup_is_not_there,
    a_file_of_a_cgroup_does_not_answer,
    a_container_lives_elsewhere,
    a_limit_cannot_be_read,
    nothing_is_limited,
)
