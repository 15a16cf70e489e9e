"""A world as files, and the snapshot that the real sources and parsers read of them.

What does not answer does so by itself, for root too: a link to itself cannot be opened (ELOOP), and nothing is mapped
at the first byte of /proc/self/mem, so that a read of it fails as a broken disk does (EIO).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from exporter.facts.container import Container
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Absent, Failed, Read, Reading, SourceError
from exporter.facts.snapshot import Snapshot
from exporter.facts.unit import Unit
from exporter.sources.cgroup import CgroupSource
from exporter.sources.host import HostSource
from exporter.sources.podman.declared import container, declare
from exporter.sources.podman.replies import parse_inspect, parse_list, parse_oci_config
from exporter.sources.process import ProcessSource
from tests.assess.truth.policy import policy_texts
from tests.assess.truth.secure import HOST_MOUNTS, closed_paths
from tests.assess.truth.world import Box, Fault, Mount, Program, Task, World, is_below

T = TypeVar("T")

NOW = 1_800_000_000.0
_STAT = "{number} ({comm}) {state} 1 1 1 0 -1 4194560 1 0 0 0 0 7 0 0 20 0 1 0 {start} 10747904 2360 0\n"
_STATUS = "Name:\t{comm}\nState:\t{state}\nPid:\t{number}\nThreads:\t{threads}\n{walls}"
_GARBAGE = b"\xff\x00 what is this\n"


def snapshot_of(world: World, root: Path) -> Snapshot:
    """What all sources say of the world, written below `root`."""
    _write_host(world, root)
    for path, cgroup in world.cgroups.items():
        for name, text in cgroup.texts.items():
            _write(root / "sys/fs/cgroup" / path[1:] / name, text, cgroup.faults.get(name))
    _write_members(world, root / "sys/fs/cgroup")
    for box in world.boxes:
        for program in box.programs:
            _write_program(world, box, program, root / "proc")
    cgroups = CgroupSource(root / "sys/fs/cgroup")
    try:
        return Snapshot(
            taken_at_seconds=NOW,
            podman=_reading(world, "podman", lambda: _podmans_answer(world)),
            cgroup=_reading(world, "cgroup", cgroups.read),
            process=_reading(world, "process", lambda: _processes(root, cgroups)),
            systemd=_reading(world, "systemd", lambda: _units(world)),
            quadlet=Read((), NOW, 0.0),
            zfs=Absent("ZFS is not on this host"),
            zfs_mounted=Absent("ZFS is not on this host"),
            host=_reading(world, "host", HostSource(root, lambda: True).read),
            volume=Read((), NOW, 0.0),
            lives={},  # no container is starting
        )
    finally:
        cgroups.close()


def _processes(root: Path, cgroups: CgroupSource) -> ProcessTable:
    return ProcessSource(root / "proc", cgroups.members).read()


def _reading(world: World, source: str, read: Callable[[], T]) -> Reading[T]:
    try:
        found = Read(read(), NOW - 1, 0.0)
    except SourceError as error:
        return Failed(str(error), 0.0)
    if source in world.silent:
        return Failed("no answer within 10 s", 10.0, found if world.has_last_answers else None)
    return found


def _write(path: Path, text: str, fault: Fault | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match fault:
        case None:
            path.write_bytes(os.fsencode(text))
        case Fault.DENIED:
            path.symlink_to(path.name)
        case Fault.BROKEN:
            path.symlink_to("/proc/self/mem")
        case Fault.EMPTY:
            path.write_bytes(b"")
        case Fault.GARBAGE:
            path.write_bytes(_GARBAGE)


def _link(path: Path, target: str, fault: Fault | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if fault is None:
        path.symlink_to(target)
    else:
        path.write_bytes(b"")  # readlink(2) fails


def _write_host(world: World, root: Path) -> None:
    for path, text in (world.texts | policy_texts(world.permissive)).items():
        _write(root / path, text, world.faults.get(path))
    for path in (*world.maskable, *world.read_only):
        _write(root / path[1:] / "here", "")
    _write(root / "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    first = root / "proc/1"
    _write(first / "comm", "systemd\n")
    _write(first / "stat", _STAT.format(number=1, comm="systemd", state="S", start=1))
    _write(first / "mountinfo", _mountinfo(list(HOST_MOUNTS), "/"), world.hosts_faults.get("mountinfo"))
    for kind, inode in world.hosts_namespaces.items():
        _link(first / "ns" / kind, f"{kind}:[{inode}]", world.hosts_faults.get(f"ns/{kind}"))


def _write_members(world: World, root: Path) -> None:
    members: dict[str, list[str]] = {path: [] for path in world.cgroups}
    for box in world.boxes:
        members[box.cgroup] += ["0"] if box.has_hidden else []
        for program in box.programs:
            members[box.cgroup + program.below].append(str(program.tasks[0].number))
    for path, pids in members.items():
        procs = root / path[1:] / "cgroup.procs"
        if "cgroup.procs" not in world.cgroups[path].faults:
            procs.write_text("".join(f"{pid}\n" for pid in pids))


def _write_program(world: World, box: Box, program: Program, proc: Path) -> None:
    first = program.tasks[0]
    directory = proc / str(first.number)
    _write_task(world, box, program, first, directory)
    _write(directory / "comm", f"{program.comm}\n")
    _write(directory / "cmdline", f"{program.comm}\0")
    if len(program.tasks) > 1:
        if "task" in program.faults:
            _write(directory / "task", "")  # no directory: it cannot be listed
        else:
            for task in program.tasks:
                _write_task(world, box, program, task, directory / "task" / str(task.number))
        for task in program.tasks[1:]:
            (proc / str(task.number)).symlink_to(directory / "task" / str(task.number))
    for name in program.gone:
        (directory / name).unlink(missing_ok=True)


def _write_task(world: World, box: Box, program: Program, task: Task, directory: Path) -> None:
    is_zombie = program.first_has_ended and task is program.tasks[0]
    for name, text in _texts(world, box, program, task, is_zombie=is_zombie).items():
        _write(directory / name, text, task.faults.get(name) or program.faults.get(name))
    if is_zombie:
        return  # it has no root, no mounts and no namespaces any more
    for kind, inode in task.namespaces.items():
        _link(
            directory / "ns" / kind,
            f"{kind}:[{inode}]",
            task.faults.get(f"ns/{kind}") or program.faults.get(f"ns/{kind}"),
        )
    _link(directory / "root", task.root, task.faults.get("root"))


def _texts(world: World, box: Box, program: Program, task: Task, *, is_zombie: bool) -> Mapping[str, str]:
    walls = "".join(f"{name}:\t{value:016x}\n" for name, value in task.capabilities.items())
    walls += f"NoNewPrivs:\t{int(task.no_new_privileges)}\nSeccomp:\t{task.seccomp}\n"
    state = "Z" if is_zombie else "S"
    escaped = program.comm.replace("\\", "\\\\").replace("\n", "\\n")
    texts = {
        "stat": _STAT.format(number=task.number, comm=program.comm, state=state, start=program.start_ticks),
        "status": _STATUS.format(
            comm=escaped, state=state, number=task.number, threads=len(program.tasks), walls=walls
        ),
        "cgroup": f"0::{box.cgroup}{program.below}\n",
        "uid_map": _id_map(program.uid_map),
        "gid_map": _id_map(program.gid_map),
        "attr/current": f"{task.label}\0",
        "net/dev": "Inter-|\n face |\n    lo: 0\n  eth0: 0\n",
    }
    if not is_zombie:
        texts["mountinfo"] = _mountinfo(world.tables[task.namespaces["mnt"]], task.root)
    return texts


def _id_map(lines: list[tuple[int, int, int]]) -> str:
    return "".join(f"{inside:10} {outside:10} {count:10}\n" for inside, outside, count in lines)


def _mountinfo(table: list[Mount], root: str) -> str:
    lines = []
    for mount in table:
        if not is_below(mount.point, root):
            continue
        point = mount.point[len(root.rstrip("/")) :] or "/"
        options, source = ",".join(mount.options), _escaped(mount.source)
        before = f"{mount.id} {mount.parent or 1} {mount.device} {_escaped(mount.root)} {_escaped(point)} {options}"
        lines.append(f"{before} master:1 - {mount.filesystem} {source} {mount.super_options}\n")
    return "".join(lines)


def _escaped(path: str) -> str:
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\#" else letter for letter in path)


def _units(world: World) -> tuple[Unit, ...]:
    return tuple(
        Unit(name, "loaded", "active", "running", **asked)  # type: ignore[arg-type]  # the world names real fields
        for name, asked in world.units.items()
    )


def _podmans_answer(world: World) -> tuple[Container, ...]:
    listings, _ = parse_list(json.dumps([_listed(box) for box in world.boxes]).encode())
    boxes = {box.id: box for box in world.boxes}
    found = []
    for listing in listings:
        asked = boxes[listing.id].asked
        config = parse_oci_config(json.dumps(_config(boxes[listing.id])).encode()) if asked.is_config_readable else None
        reply = parse_inspect(json.dumps(_inspected(boxes[listing.id])).encode())
        found.append(container(listing, declare(reply, config) if asked.is_inspected else None, {}, ""))
    return tuple(found)


def _listed(box: Box) -> dict[str, object]:
    return {
        "Id": box.id,
        "Names": [box.name],
        "Image": "registry.example.org/objects@sha256:" + "a" * 64,
        "State": box.asked.state,
        "Exited": box.asked.state == "exited",
        "Pid": box.programs[0].tasks[0].number if box.programs else 0,
        "PodName": box.asked.pod,
        "Labels": {"PODMAN_SYSTEMD_UNIT": box.asked.unit},
    }


def _inspected(box: Box) -> dict[str, object]:
    return {
        "ProcessLabel": box.asked.label,
        "BoundingCaps": box.asked.bounding or None,
        "State": {"CgroupPath": box.cgroup},
        "StaticDir": f"/var/lib/containers/storage/overlay-containers/{box.id}/userdata",
        "Mounts": box.asked.mounts,
        "Config": {"Annotations": {"io.podman.annotations.userns": "auto"}, "CreateCommand": ["podman", "run"]},
        "HostConfig": box.asked.host_config,
    }


def _config(box: Box) -> dict[str, object]:
    return {
        "process": {"capabilities": {"bounding": box.asked.bounding}, "noNewPrivileges": True},
        "linux": {"seccomp": {} if box.asked.has_seccomp else None, **closed_paths()},
    }
