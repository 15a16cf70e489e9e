"""What is true of the walls that mounts are, in every mount namespace that a container's threads are in."""

from __future__ import annotations

from collections.abc import Callable

from tests.assess.truth.answer import Answer, Oracle, all_named, every, known, stands
from tests.assess.truth.world import SYSTEM_DISK, Box, Mount, World, is_below, met

_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
_ABOVE_ALL = frozenset({"/", "/var", "/var/lib", "/var/lib/containers", "/var/lib/containers/storage"})
_READ_BY_ALL = ("/etc/localtime", "/usr/share/zoneinfo", "/etc/ssl/certs")
_DEVICES_OF_ALL = frozenset({"/null", "/zero", "/full", "/tty", "/random", "/urandom"})
_HOMES = {"proc": "/proc", "sysfs": "/sys"}


def _in_every_table(holds: Callable[[World, list[Mount]], bool]) -> Oracle:
    def answer(world: World, box: Box) -> Answer:
        inodes = {task.namespaces["mnt"] for task in box.living}
        answers = [all_named(world, box), known(not any("ns/mnt" in task.faults for task in box.living))]
        answers += [known(_has_witness(box, inode)) for inode in inodes]
        return every([*answers, *(stands(holds(world, world.tables[inode])) for inode in inodes)])

    return answer


def _has_witness(box: Box, inode: int) -> bool:
    """Whether a thread shows all mounts of the namespace: below a chroot it sees only a part."""
    return any(
        task.namespaces["mnt"] == inode and task.root == "/" and not {"mountinfo", "root"} & task.faults.keys()
        for task in box.living
    )


def _is_image_read_only(_: World, table: list[Mount]) -> bool:
    """Every mount at the root: who was there before stays below the later one, who is put in stands on it.

    Nor may the image be mounted a second time, writable.
    """
    roots = [mount for mount in table if mount.point == "/"]
    first = roots[0]
    again = [
        mount
        for mount in table
        if mount.device == first.device and (is_below(mount.root, first.root) or is_below(first.root, mount.root))
    ]
    return all("ro" in mount.options for mount in (*roots, *again))


def _is_all_closed(world: World, table: list[Mount]) -> bool:
    """Nothing of what is to be masked is shown, and nothing of what is to be read-only is shown writable."""
    writable = [mount for mount in table if "ro" not in mount.options]
    is_masked = not any(_shows(table, mount, path) for path in world.maskable for mount in table)
    return is_masked and not any(_shows(table, mount, path) for path in world.read_only for mount in writable)


def _shows(table: list[Mount], mount: Mount, path: str) -> bool:
    """Whether the path of the kernel, or a part of what is below it, can be reached through this mount."""
    home = _HOMES.get(mount.filesystem, "/none")
    if not is_below(path, home):
        return False
    inside = path[len(home) :]
    if is_below(inside, mount.root):
        point = mount.point.rstrip("/") + inside[len(mount.root.rstrip("/")) :]
    elif is_below(mount.root, inside):
        point = mount.point
    else:
        return False
    return met(table, point) is mount


def _has_no_host_path(_: World, table: list[Mount]) -> bool:
    return not any(_is_of_system(mount) for mount in table if mount.device == SYSTEM_DISK)


def _is_of_system(mount: Mount) -> bool:
    path = mount.root
    if path in _ABOVE_ALL or path.endswith(("/podman.sock", "/docker.sock")):
        return True
    if "ro" in mount.options and any(is_below(path, place) for place in _READ_BY_ALL):
        return False
    return any(is_below(path, place) for place in _SYSTEM)


def _has_no_device(_: World, table: list[Mount]) -> bool:
    return all(mount.root in _DEVICES_OF_ALL for mount in table if mount.filesystem == "devtmpfs")


def no_host_path(world: World, box: Box) -> Answer:
    """No path of the host's system is mounted; where things lie on the host, the mounts of pid 1 show."""
    is_read = "mountinfo" not in world.hosts_faults
    return every([known(is_read), _NO_HOST_PATH(world, box)])


_NO_HOST_PATH = _in_every_table(_has_no_host_path)
read_only_rootfs = _in_every_table(_is_image_read_only)
no_devices = _in_every_table(_has_no_device)
all_nosuid = _in_every_table(lambda _, table: all("nosuid" in mount.options for mount in table))
_MASKED = _in_every_table(_is_all_closed)


def paths_masked(world: World, box: Box) -> Answer:
    """Which paths the kernel has, is a fact of the host."""
    return every([known("host" not in world.silent), _MASKED(world, box)])
