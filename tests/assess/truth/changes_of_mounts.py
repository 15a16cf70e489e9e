"""Changes of what the threads of a container see mounted, in the namespace of all or in one of their own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from random import Random

from tests.assess.truth.world import SYSTEM_DISK, Mount, World, is_below, met, move, put

_OF_HOST = (
    *("/", "/etc", "/etc/shadow", "/usr", "/boot/grub", "/run/podman/podman.sock", "/var/lib/containers"),
    *("/etc/localtime", "/srv/files", "/home/alice"),
)
_POINTS = ("/mnt", "/a b", "/tab\there", "/new\nline", "/back\\slash", "/#", "/ü", "/data/deep", "/proc2", "/srv/jail")


def _table(rng: Random, world: World) -> list[Mount]:
    return world.tables[rng.choice(list(world.tables))]


def _mount(world: World, what: tuple[str, str, str], point: str, options: tuple[str, ...]) -> Mount:
    """What: file system, device, and the part of it."""
    filesystem, device, root = what
    return Mount(world.number(), 0, device, root, point, options, filesystem, filesystem)


def the_image_is_writable(rng: Random, world: World) -> str:
    """At its root, or mounted a second time."""
    table = _table(rng, world)
    first = table[0]
    if rng.random() < 0.5:
        first.options = ("rw", "relatime")
        return "/ is writable"
    root, point = rng.choice(["/", "/usr"]), rng.choice(_POINTS)
    put(table, _mount(world, ("overlay", first.device, root), point, rng.choice([("rw",), ("ro",)])))
    return f"{root} of the image is at {point!r} too: {table[-1].options}"


def something_is_mounted_over_the_root(rng: Random, world: World) -> str:
    """Whoever was there before stays below it, on an image that may be writable."""
    table = _table(rng, world)
    table[0].options = rng.choice([table[0].options, ("rw", "relatime")])
    top = [mount for mount in table if mount.point == "/"][-1]
    mount = _mount(world, ("tmpfs", "0:700", "/"), "/", rng.choice([("ro",), ("rw",)]))
    mount.parent = top.id
    table.append(mount)
    return f"a tmpfs over /, {table[0].options}: {mount.options}"


def a_mask_is_away(rng: Random, world: World) -> str:
    """Unmounted."""
    table = _table(rng, world)
    masks = [mount for mount in table if mount.point in world.maskable]
    if not masks:
        return "no mask is left"
    gone = rng.choice(masks)
    table[:] = [mount for mount in table if mount is not gone and mount.parent != gone.id]
    return f"no mask at {gone.point}"


def the_kernels_files_are_mounted_again(rng: Random, world: World) -> str:
    """A procfs or sysfs, or a part of it: over the masks, beside them, or elsewhere and then moved."""
    table = _table(rng, world)
    parts = [("proc", "/"), ("proc", "/kcore"), ("proc", "/sys"), ("sysfs", "/"), ("sysfs", "/firmware/efi")]
    filesystem, root = rng.choice(parts)
    device = rng.choice(["0:22", "0:711"]) if filesystem == "proc" else "0:21"
    own_place = {"proc": "/proc", "sysfs": "/sys"}[filesystem] + root.rstrip("/")
    point = rng.choice([rng.choice([*_POINTS, "/proc", "/proc/keys", "/sys/firmware"]), own_place])
    put(table, _mount(world, (filesystem, device, root), point, rng.choice([("ro",), ("rw",)])))
    return f"{filesystem} {root} at {point!r}"


def a_mount_is_moved(rng: Random, world: World) -> str:
    """What was mounted early may lie over what came later."""
    table = _table(rng, world)
    movable = [mount for mount in table if mount.point != "/"]
    if not movable:
        return "nothing to move"
    mount = rng.choice(movable)
    before, point = mount.point, rng.choice([*_POINTS, "/proc", "/sys"])
    if point != before and not point.startswith(f"{before}/"):
        move(table, mount, point)
    return f"{before!r} was moved to {point!r}"


def podman_mounts_the_kernels_files_early(rng: Random, world: World) -> str:
    """As --volume /proc:/hostproc does: before the masks."""
    table = _table(rng, world)
    filesystem, device = rng.choice([("proc", "0:22"), ("sysfs", "0:21")])
    mount = _mount(world, (filesystem, device, "/"), rng.choice(["/hostproc", "/mnt"]), ("rw",))
    mount.parent = table[0].id
    for later in table:
        if later.parent == mount.parent and is_below(later.point, mount.point):
            later.parent = mount.id  # whatever came there afterwards lies on it
    table.insert(1, mount)
    return f"{filesystem} of the host at {mount.point}, before all others"


def something_hides_a_path(rng: Random, world: World) -> str:
    """A tmpfs over anything: what it hides is there all the same."""
    table = _table(rng, world)
    point = rng.choice([mount.point for mount in table if mount.point != "/"] or ["/mnt"])
    options = rng.choice([("ro", "nosuid"), ("rw", "nosuid"), ("rw",)])
    put(table, _mount(world, ("tmpfs", "0:701", "/"), point, options))
    return f"a tmpfs over {point!r}: {options}"


def a_path_of_the_host_is_mounted(rng: Random, world: World) -> str:
    """Of its system, or a harmless one; podman may have been asked for it."""
    table = _table(rng, world)
    root = rng.choice(_OF_HOST)
    point = rng.choice([*_POINTS, "/etc/localtime"])
    options = rng.choice([("ro", "nosuid"), ("rw", "nosuid")])
    put(table, _mount(world, ("ext4", SYSTEM_DISK, root), point, options))
    return f"{root} of the host at {point!r}: {options}"


def a_device_is_mounted(rng: Random, world: World) -> str:
    """From the host's devtmpfs."""
    table = _table(rng, world)
    root = rng.choice(["/", "/sda", "/kmsg", "/fuse", "/zero", "/tty"])
    put(table, _mount(world, ("devtmpfs", "0:6", root), rng.choice(["/dev/sda", *_POINTS]), ("rw", "nosuid")))
    return f"{root} of the host's /dev"


def set_user_id_counts(rng: Random, world: World) -> str:
    """On one mount, or on none."""
    table = _table(rng, world)
    if rng.random() < 0.5:
        for mount in table:
            mount.options = (*mount.options, "nosuid")
        return "all mounts are nosuid"
    mount = rng.choice(table)
    mount.options = tuple(word for word in mount.options if word != "nosuid")
    return f"{mount.point!r} is not nosuid"


def a_process_has_mounts_of_its_own(rng: Random, world: World) -> str:
    """It, or a thread of it, is in a mount namespace that begins as a copy; its image may be writable there."""
    box = rng.choice([candidate for candidate in world.boxes if candidate.programs])
    program = rng.choice(box.programs)
    tasks = rng.choice([program.tasks, program.tasks[-1:]])
    inode = 4026533000 + world.number()
    world.tables[inode] = _copied(world, world.tables[tasks[0].namespaces["mnt"]])
    world.tables[inode][0].options = rng.choice([("ro", "relatime"), ("rw", "relatime")])
    for task in tasks:
        task.namespaces["mnt"] = inode
    return (
        f"{box.name}: {[task.number for task in tasks]} have mounts of their own, / is {world.tables[inode][0].options}"
    )


def _copied(world: World, table: list[Mount]) -> list[Mount]:
    numbers = {mount.id: world.number() for mount in table} | {0: 0}
    return [
        replace(deepcopy(mount), id=numbers[mount.id], parent=numbers.get(mount.parent, mount.parent))
        for mount in table
    ]


def a_volume_is_writable_below_the_root(rng: Random, world: World) -> str:
    """As every volume is: harmless."""
    table = _table(rng, world)
    point = rng.choice(_POINTS)
    inside = met(table, point).point
    put(table, _mount(world, ("zfs", "0:61", "/other"), point, ("rw", "nosuid", "nodev")))
    return f"a volume at {point!r}, on {inside!r}"


CHANGES_OF_MOUNTS = (
    the_image_is_writable,
    something_is_mounted_over_the_root,
    a_mask_is_away,
    the_kernels_files_are_mounted_again,
    a_mount_is_moved,
    podman_mounts_the_kernels_files_early,
    something_hides_a_path,
    a_path_of_the_host_is_mounted,
    a_device_is_mounted,
    set_user_id_counts,
    a_process_has_mounts_of_its_own,
    a_volume_is_writable_below_the_root,
)
