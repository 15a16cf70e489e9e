"""What may become of a host: each change takes a wall down, hides a fact or changes something harmless, at random.

A change is a function of a source of randomness and the world; it says in words what it did. Several in a row make
states that nobody has listed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.assess.truth.changes_of_cgroups import CHANGES_OF_CGROUPS
from tests.assess.truth.changes_of_mounts import CHANGES_OF_MOUNTS
from tests.assess.truth.changes_of_processes import CHANGES_OF_PROCESSES
from tests.assess.truth.policy import TYPES
from tests.assess.truth.secure import secure_world
from tests.assess.truth.world import FIRST_CONTAINER_ID, Box, Fault, World

Change: TypeAlias = Callable[[Random, World], str]
Story: TypeAlias = list[tuple[Change, int]]  # each change with the seed of its own randomness

_ODD_NAMES = ("a b", "ü/✓", "x" * 300, 'quo"te', "{} %s", "-", "new\nline", "\u202eevil")


def _box(rng: Random, world: World) -> Box:
    return rng.choice(world.boxes)


def podman_was_asked_for_something_else(rng: Random, world: World) -> str:
    """One wish of one container differs; what is in force does not."""
    box = _box(rng, world)
    wishes: dict[str, list[object]] = {
        "Privileged": [True],
        "AutoRemove": [False],
        "ReadonlyRootfs": [False],
        "Memory": [0, 1 << 20, 511_995_904, 511_990_000],
        "MemorySwap": [0, 1 << 30],
        "CpuQuota": [0, 50_000, 199_999],
        "PidsLimit": [0, -1, 100],
        "Devices": [[{"PathOnHost": "/dev/sda"}]],
        "UsernsMode": ["host", ""],
        "PidMode": ["host"],
    }
    key = rng.choice(sorted(wishes))
    box.asked.host_config[key] = rng.choice(wishes[key])
    return f"{box.name}: podman was asked for {key}={box.asked.host_config[key]}"


def podman_was_asked_for_no_filter(rng: Random, world: World) -> str:
    """The program may filter itself."""
    box = _box(rng, world)
    box.asked.has_seccomp = False
    return f"{box.name}: podman was asked for no seccomp filter"


def podman_says_another_state(rng: Random, world: World) -> str:
    """Whatever its processes do."""
    box = _box(rng, world)
    box.asked.state = rng.choice(["exited", "created", "dead", "stopped", "paused", "removing", "", "odd"])
    return f"{box.name}: podman says it is {box.asked.state!r}"


def podman_does_not_know_all(rng: Random, world: World) -> str:
    """Inspect failed, or config.json could not be read."""
    box = _box(rng, world)
    box.asked.is_inspected = rng.random() < 0.5
    box.asked.is_config_readable = False
    return f"{box.name}: inspected {box.asked.is_inspected}, no config.json"


def the_containers_are_a_pod(_: Random, world: World) -> str:
    """Then they may share."""
    for box in world.boxes:
        box.asked.pod = "deck"
    return "both containers are of one pod"


def a_source_is_silent(rng: Random, world: World) -> str:
    """It failed, with or without an answer of before."""
    source = rng.choice(["podman", "process", "cgroup", "host", "systemd"])
    world.silent.add(source)
    world.has_last_answers = rng.random() < 0.7
    return f"{source} does not answer"


def a_container_has_an_odd_name(rng: Random, world: World) -> str:
    """podman itself would refuse most of them; nobody says that it is podman that answers."""
    box = _box(rng, world)
    box.name = rng.choice(_ODD_NAMES)
    return f"a container is called {box.name!r}"


def the_host_enforces_nothing(rng: Random, world: World) -> str:
    """SELinux only warns, or is off, or says what nobody understands."""
    world.texts["sys/fs/selinux/enforce"] = rng.choice(["0", "0\n", "", "2", "enforcing"])
    return f"SELinux: enforce is {world.texts['sys/fs/selinux/enforce']!r}"


def a_type_is_permissive(rng: Random, world: World) -> str:
    """semanage-permissive(8): nothing is denied to it while the host enforces."""
    world.permissive.add(rng.choice(sorted(TYPES)))
    return f"SELinux: permissive are {sorted(world.permissive)}"


def somebody_of_the_host_has_the_ids(rng: Random, world: World) -> str:
    """An account, a group or an owner of subordinate ids has an id of a container, or one near by."""
    _, outside, count = rng.choice(_box(rng, world).programs[0].uid_map or [(0, FIRST_CONTAINER_ID, 1)])
    number = outside + rng.choice([-1, 0, count - 1, count, rng.randrange(max(1, count))])
    path, line = rng.choice(
        [
            ("etc/passwd", f"bob:x:{number}:100::/:/bin/sh\n"),
            ("etc/group", f"crew:x:{number}:\n"),
            ("etc/subuid", f"bob:{number}:{rng.choice([1, 4096])}\n"),
            ("etc/subgid", f"bob:{number}:{rng.choice([1, 4096])}\n"),
        ]
    )
    world.texts[path] += line
    return f"/{path} has {line.strip()}"


def the_range_of_containers_is_another(rng: Random, world: World) -> str:
    """In one of the two files, or nowhere."""
    path = rng.choice(["etc/subuid", "etc/subgid"])
    lines = ["", "containers:500000:65536\n", "containers:4000000000:1000\n", f"alice:{FIRST_CONTAINER_ID}:65536\n"]
    world.texts[path] = rng.choice(lines)
    return f"/{path} is {world.texts[path]!r}"


def a_file_of_the_host_does_not_answer(rng: Random, world: World) -> str:
    """Of its accounts and ranges, of SELinux, or of pid 1."""
    fault = rng.choice([Fault.DENIED, Fault.BROKEN])
    selinux = [f"sys/fs/selinux/{name}" for name in ("enforce", "status", "policy")]
    path = rng.choice(["etc/subuid", "etc/subgid", "etc/passwd", "etc/group", rng.choice(selinux), "pid 1"])
    if path == "pid 1":
        path = rng.choice(["mountinfo", *(f"ns/{kind}" for kind in world.hosts_namespaces)])
        world.hosts_faults[path] = fault
    else:
        world.faults[path] = fault
    return f"the host's {path} {fault.value}"


def the_host_has_more_to_mask(rng: Random, world: World) -> str:
    """This kernel shows a path that the container does not mask."""
    path = rng.choice(["/proc/acpi", "/proc/timer_list", "/sys/devices/virtual/powercap", "/proc/scsi"])
    if path not in world.maskable:
        world.maskable.append(path)
    return f"the kernel has {path}"


CHANGES: tuple[Change, ...] = (
    *CHANGES_OF_PROCESSES,
    *CHANGES_OF_MOUNTS,
    *CHANGES_OF_CGROUPS,
    podman_was_asked_for_something_else,
    podman_was_asked_for_no_filter,
    podman_says_another_state,
    podman_does_not_know_all,
    the_containers_are_a_pod,
    a_source_is_silent,
    a_container_has_an_odd_name,
    the_host_enforces_nothing,
    a_type_is_permissive,
    somebody_of_the_host_has_the_ids,
    the_range_of_containers_is_another,
    a_file_of_the_host_does_not_answer,
    the_host_has_more_to_mask,
)


def world_of(story: Story) -> tuple[World, list[str]]:
    """The world after all changes, and what each did."""
    world = secure_world()
    return world, [change(Random(seed), world) for change, seed in story]
