"""What is true of each wall of a container, from the world itself: it stands, it does not, or nobody could know.

Written from the kernel's documents and from the contract of the checks alone; it shares no code with what it judges:
capabilities(7), prctl(2), seccomp(2), user_namespaces(7), namespaces(7), setns(2), mount_namespaces(7), proc(5),
path_resolution(7) and admin-guide/cgroup-v2. It is lenient where the product may be strict: a check that says unknown
or fail is never held against it. Only a pass is, where the wall does not stand or where nobody could know.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from exporter.report.findings import Verdict
from exporter.report.host import Report
from tests.assess.truth import oracle_limits, oracle_mounts, oracle_sharing
from tests.assess.truth.answer import Answer, Oracle, all_named, every, is_declared, known, stands
from tests.assess.truth.world import Box, Program, Task, World

_PODMANS_ALL = (1 << 38) - 1  # what every kernel since 3.16 has; each later capability may be missing
_NAMESPACES = ("pid", "ipc", "net", "uts", "cgroup", "user")
# container_selinux(8): domains that policies confine containers with.
_CONFINED = frozenset({"container_t", "container_init_t", "container_kvm_t", "container_userns_t"})
_LABEL = re.compile(r"\w+:\w+:(\w+):s\d+(?:-s\d+)?:(.+)")
_CATEGORIES_MAX = 16


def _of_tasks(file: str, holds: Callable[[Task], bool]) -> Oracle:
    """A wall that is each thread's own, and is read from one file of it."""

    def answer(world: World, box: Box) -> Answer:
        is_read = known(not any(file in task.faults for task in box.living))
        return every([all_named(world, box), is_read, *(stands(holds(task)) for task in box.living)])

    return answer


def _private_ids(world: World, box: Box) -> Answer:
    lowest = [oracle_sharing.first_of_containers(world.texts[path]) for path in ("etc/subuid", "etc/subgid")]
    answers = [all_named(world, box), known(_is_host_read(world, "etc/subuid", "etc/subgid", "etc/passwd"))]
    for program in box.programs:
        if program.gone:
            continue
        answers.append(known(not {"uid_map", "gid_map"} & program.faults.keys()))
        for id_map, first in zip((program.uid_map, program.gid_map), lowest, strict=True):
            answers.append(stands(bool(id_map) and all(outside >= first for _, outside, _ in id_map)))
    return every(answers)


def _is_host_read(world: World, *files: str) -> bool:
    return "host" not in world.silent and not any(file in world.faults for file in files)


def _confined(world: World, box: Box) -> Answer:
    is_read = _is_host_read(world, *(f"sys/fs/selinux/{name}" for name in ("enforce", "status", "policy")))
    is_loose = any(f":{name}:" in task.label for task in box.living for name in world.permissive)
    enforces = world.texts["sys/fs/selinux/enforce"].strip() == "1" and not is_loose
    return every([known(is_read), stands(enforces), _labels_confine(world, box)])


def _is_confining(task: Task) -> bool:
    found = _LABEL.fullmatch(task.label)
    if found is None or found[1] not in _CONFINED:
        return False
    return 0 < len(oracle_sharing.categories(task.label)) <= _CATEGORIES_MAX


_labels_confine = _of_tasks("attr/current", _is_confining)
_no_new_privileges = _of_tasks("status", lambda task: task.no_new_privileges)
_filtered = _of_tasks("status", lambda task: task.seccomp == 2)  # SECCOMP_MODE_FILTER
_limited = _of_tasks("status", lambda task: task.capabilities["CapBnd"] & _PODMANS_ALL != _PODMANS_ALL)


def _seccomp_filtered(world: World, box: Box) -> Answer:
    """A program may filter itself: whose filter it is, podman alone says."""
    is_read = known(is_declared(world, box) and box.asked.is_config_readable)
    return every([_filtered(world, box), is_read, stands(box.asked.has_seccomp)])


def _not_privileged(world: World, box: Box) -> Answer:
    """Where podman does not say, what processes may do decides: that a container was asked to be it shows nowhere."""
    asked = bool(box.asked.host_config["Privileged"]) and is_declared(world, box)
    return every([_limited(world, box), stands(not asked)])


def _own_namespaces(world: World, box: Box) -> Answer:
    answers = [all_named(world, box)]
    for kind in _NAMESPACES:
        living: list[Program | Task] = [*box.living, *(program for program in box.programs if program.living)]
        is_read = f"ns/{kind}" not in world.hosts_faults
        answers.append(known(is_read and not any(f"ns/{kind}" in each.faults for each in living)))
        hosts = world.hosts_namespaces.get(kind)
        answers.append(known(hosts is not None and all(kind in task.namespaces for task in box.living)))
        answers += [stands(task.namespaces.get(kind) != hosts) for task in box.living]
    return every(answers)


def _no_set_user_id(world: World, box: Box) -> Answer:
    if _no_new_privileges(world, box) is Answer.STANDS:
        return Answer.STANDS
    return oracle_mounts.all_nosuid(world, box)


def _no_devices(world: World, box: Box) -> Answer:
    asked = bool(box.asked.host_config["Devices"] or box.asked.host_config["Privileged"])
    return every([oracle_mounts.no_devices(world, box), known(is_declared(world, box)), stands(not asked)])


def _auto_remove(world: World, box: Box) -> Answer:
    is_kept = box.asked.state in {"exited", "stopped", "dead"}
    return every([known(is_declared(world, box)), stands(bool(box.asked.host_config["AutoRemove"]) and not is_kept)])


ORACLES: dict[str, Oracle] = {
    "all_capabilities_dropped": _of_tasks("status", lambda task: not any(task.capabilities.values())),
    "no_new_privileges": _no_new_privileges,
    "seccomp_filtered": _seccomp_filtered,
    "not_privileged": _not_privileged,
    "private_user_namespace": _private_ids,
    "user_namespace_disjoint": oracle_sharing.ids_disjoint,
    "selinux_confined": _confined,
    "selinux_unique_label": oracle_sharing.label_unique,
    "no_host_namespaces": _own_namespaces,
    "no_setuid_binaries_reachable": _no_set_user_id,
    "no_added_devices": _no_devices,
    "auto_remove": _auto_remove,
    "read_only_rootfs": oracle_mounts.read_only_rootfs,
    "paths_masked": oracle_mounts.paths_masked,
    "no_host_path_of_the_system": oracle_mounts.no_host_path,
    **oracle_limits.ORACLES,
}


def false_passes(world: World, report: Report) -> dict[tuple[str, str], Answer]:
    """By container and check: what is true where the report says pass, and the wall is not known to stand."""
    boxes = {box.id: box for box in world.boxes}
    return {
        (box.name, finding.check): answer
        for container in report.containers
        if (box := boxes.get(container.id)) is not None
        for finding in container.findings
        if finding.outcome.verdict is Verdict.PASS
        and finding.check in ORACLES
        and (answer := ORACLES[finding.check](world, box)) is not Answer.STANDS
    }
