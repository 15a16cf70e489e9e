"""Changes of processes and threads: credentials, ids, labels, namespaces, and which of their files answer."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from tests.assess.truth.world import CAPABILITY_SETS, HOST_NAMESPACES, Box, Fault, Program, Task, World

_FILES_OF_TASKS = ("status", "stat", "attr/current", "mountinfo", "root", "ns/mnt", "ns/net", "cgroup")
_FILES_OF_PROGRAMS = ("uid_map", "gid_map", "task", "ns/user", "ns/pid")
# setns(2) and unshare(2): a thread changes these for itself; its pid and user namespaces are those of its process.
_OF_THREADS = ("cgroup", "ipc", "net", "uts")
_OF_PROGRAMS = ("pid", "user")
_EVERY_CAPABILITY = (1 << 41) - 1
_LABELS = (
    *("system_u:system_r:container_t:s0", "system_u:system_r:spc_t:s0:c1,c2", "", "kernel"),
    *("unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023", "system_u:system_r:container_t:s0-s0:c0.c1023"),
    *("system_u:system_r:container_t:s0:c229", "system_u:system_r:container_t:s0:c12,c229,c276,c900"),
    *("system_u:system_r:container_t:s0:c1,c2", "system_u:system_r:container_init_t:s0:c229,c276"),
    *("system_u:system_r:container_t:s15:c229,c276", "containers-default-0.62.1 (enforce)"),
)
_COMMS = ("a b", ")", "x) S 1 (", "\n", "conmon", "\\", "näme")


def _program(rng: Random, world: World) -> tuple[Box, Program]:
    box = rng.choice([candidate for candidate in world.boxes if candidate.programs])
    return box, rng.choice(box.programs)


def _task(rng: Random, world: World) -> tuple[str, Task]:
    box, program = _program(rng, world)
    task = rng.choice(program.tasks)
    return f"{box.name}: {task.number}", task


def _tasks(rng: Random, world: World) -> tuple[str, list[Task]]:
    """One thread, all of one process, or all of one container."""
    box, program = _program(rng, world)
    some = rng.choice([[rng.choice(program.tasks)], program.tasks, box.living])
    return f"{box.name}: {[task.number for task in some]}", some


def threads_keep_capabilities(rng: Random, world: World) -> str:
    """In some of the five sets."""
    where, tasks = _tasks(rng, world)
    held = rng.choice([1 << rng.randrange(41), _EVERY_CAPABILITY, rng.getrandbits(41) or 1])
    names = rng.sample(CAPABILITY_SETS, rng.randint(1, 5))
    for task in tasks:
        task.capabilities |= dict.fromkeys(names, held)
    return f"{where} have {held:x} in {names}"


def threads_may_gain_privileges(rng: Random, world: World) -> str:
    """Without no_new_privs."""
    where, tasks = _tasks(rng, world)
    for task in tasks:
        task.no_new_privileges = False
    return f"{where} have no NoNewPrivs"


def threads_are_not_filtered(rng: Random, world: World) -> str:
    """No seccomp, or the strict mode, or a mode that is not known yet."""
    where, tasks = _tasks(rng, world)
    mode = rng.choice([0, 1, 3])
    for task in tasks:
        task.seccomp = mode
    return f"{where} have Seccomp {mode}"


def threads_have_another_label(rng: Random, world: World) -> str:
    """One that confines nothing, or a neighbour's, or of categories that hold the neighbour's."""
    where, tasks = _tasks(rng, world)
    label = rng.choice([*_LABELS, *(box.programs[0].tasks[0].label for box in world.boxes if box.programs)])
    for task in tasks:
        task.label = label
    return f"{where} have the label {label!r}"


def a_process_has_other_ids(rng: Random, world: World) -> str:
    """The host's own, some of the host's, a neighbour's, or a part of its own in a nested user namespace."""
    box, program = _program(rng, world)
    other = rng.choice(rng.choice(world.boxes).programs[0].uid_map or [(0, 70000, 5)])
    _, outside, count = other
    id_map = rng.choice(
        [
            [(0, 0, 4294967295)],
            [(0, 0, 1)],
            [(0, 1000, 1), (1, 100000, 65536)],
            [(0, 2147483640, 100)],
            [other],
            [other, (count, rng.choice([0, 1000, 100_000]), 1)],
            [(0, outside + rng.randrange(count), rng.randint(1, 9000))],
            [(0, max(0, outside - rng.randrange(5000)), 5000)],
            [(0, outside + 1, max(1, count - 1)), (5000, 4200000000, 10)],
            [],
        ]
    )
    names = rng.choice([["uid_map"], ["gid_map"], ["uid_map", "gid_map"]])
    for changed in rng.choice([[program], box.programs]):
        for name in names:
            setattr(changed, name, list(id_map))
    return f"{box.name}: {names} is {id_map}"


def a_thread_is_in_a_namespace_of_the_host(rng: Random, world: World) -> str:
    """Of a kind that a thread enters alone."""
    where, task = _task(rng, world)
    kind = rng.choice(_OF_THREADS)
    task.namespaces[kind] = HOST_NAMESPACES[kind]
    return f"{where} is in the host's {kind} namespace"


def a_process_is_in_a_namespace_of_the_host(rng: Random, world: World) -> str:
    """With all its threads."""
    box, program = _program(rng, world)
    kind = rng.choice([*_OF_THREADS, *_OF_PROGRAMS])
    for task in program.tasks:
        task.namespaces[kind] = HOST_NAMESPACES[kind]
    return f"{box.name}: all of {program.tasks[0].number} are in the host's {kind} namespace"


def a_kind_of_namespace_is_unknown_to_the_kernel(rng: Random, world: World) -> str:
    """As `time` is before 5.6 and `cgroup` before 4.6."""
    kind = rng.choice(["time", "cgroup", "uts"])
    world.hosts_namespaces.pop(kind, None)
    for box in world.boxes:
        for program in box.programs:
            for task in program.tasks:
                task.namespaces.pop(kind, None)
    return f"the kernel has no {kind} namespaces"


def a_process_is_added(rng: Random, world: World) -> str:
    """With the walls of another, or without NoNewPrivs, perhaps in a cgroup of its own below the payload."""
    box, program = _program(rng, world)
    copy = deepcopy(program)
    for task in copy.tasks:
        task.number = world.number()
        task.no_new_privileges = rng.choice([task.no_new_privileges, False])
    copy.start_ticks += rng.choice([-1, 0, 1])
    copy.below = rng.choice(["", "/inner", "/inner/libpod-" + "c" * 64])
    above = box.cgroup
    for part in copy.below.split("/")[1:]:
        above += f"/{part}"
        world.cgroups.setdefault(above, deepcopy(world.cgroups[box.cgroup]))
    box.programs.insert(rng.randint(0, len(box.programs)), copy)
    return f"{box.name}: {copy.tasks[0].number} is a copy of {program.tasks[0].number}, below {copy.below!r}"


def a_thread_is_added(rng: Random, world: World) -> str:
    """With the walls of another one."""
    box, program = _program(rng, world)
    task = deepcopy(rng.choice(program.tasks))
    task.number = world.number()
    program.tasks.append(task)
    return f"{box.name}: {task.number} is one more thread of {program.tasks[0].number}"


def the_first_thread_has_ended(rng: Random, world: World) -> str:
    """Its process lives on without it."""
    box, program = _program(rng, world)
    if len(program.tasks) > 1:
        program.first_has_ended = True
    return f"{box.name}: {program.tasks[0].number} is a zombie, if it has further threads"


def a_process_ends_while_it_is_read(rng: Random, world: World) -> str:
    """Some of its files have gone already."""
    box, program = _program(rng, world)
    program.gone = {"stat", *rng.sample(["status", "uid_map", "gid_map", "attr/current", "mountinfo", "cgroup"], 3)}
    return f"{box.name}: {program.tasks[0].number} has ended: no {sorted(program.gone)}"


def a_thread_is_below_a_chroot(rng: Random, world: World) -> str:
    """With its process, or alone (CLONE_FS unshared)."""
    where, tasks = _tasks(rng, world)
    root = rng.choice(["/data", "/srv/jail", "/proc", "/a b"])
    for task in tasks:
        task.root = root
    return f"{where} are below {root}"


def a_file_of_a_thread_does_not_answer(rng: Random, world: World) -> str:
    """Denied, broken, empty, or what no kernel wrote."""
    where, task = _task(rng, world)
    file, fault = rng.choice(_FILES_OF_TASKS), rng.choice(list(Fault))
    if file in {"stat", "cgroup", "attr/current"} and fault in {Fault.EMPTY, Fault.GARBAGE}:
        fault = Fault.DENIED  # the kernel writes these whole, and any text is a label
    task.faults[file] = fault
    return f"{where}/{file} {fault.value}"


def a_file_of_a_process_does_not_answer(rng: Random, world: World) -> str:
    """The maps of its ids, which may rightly hold nothing, the list of its threads, or a namespace of them all."""
    box, program = _program(rng, world)
    file = rng.choice(_FILES_OF_PROGRAMS)
    program.faults[file] = rng.choice([Fault.DENIED, Fault.BROKEN])
    return f"{box.name}: {program.tasks[0].number}/{file} {program.faults[file].value}"


def processes_are_hidden(rng: Random, world: World) -> str:
    """They are in a foreign pid namespace: the kernel writes 0."""
    box = rng.choice(world.boxes)
    box.has_hidden = True
    return f"{box.name}: processes that cannot be named"


def a_process_has_an_odd_name(rng: Random, world: World) -> str:
    """Any 15 bytes."""
    box, program = _program(rng, world)
    program.comm = rng.choice(_COMMS)
    return f"{box.name}: {program.tasks[0].number} is called {program.comm!r}"


CHANGES_OF_PROCESSES = (
    threads_keep_capabilities,
    threads_may_gain_privileges,
    threads_are_not_filtered,
    threads_have_another_label,
    a_process_has_other_ids,
    a_thread_is_in_a_namespace_of_the_host,
    a_process_is_in_a_namespace_of_the_host,
    a_kind_of_namespace_is_unknown_to_the_kernel,
    a_process_is_added,
    a_thread_is_added,
    the_first_thread_has_ended,
    a_process_ends_while_it_is_read,
    a_thread_is_below_a_chroot,
    a_file_of_a_thread_does_not_answer,
    a_file_of_a_process_does_not_answer,
    processes_are_hidden,
    a_process_has_an_odd_name,
)
