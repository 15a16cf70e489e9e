"""The slow parts of the lab, each made once and kept by what it is made of.

Layers: the emulator, the root tree (packages), the ZFS module (kernel and ZFS version), and the base image (all of
these, the guest's files, the container image). A layer is made under another name and renamed when finished, so a
half-made one is never used.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab import containers, image
from tests.lab.machine import DISKS, KERNEL_ARGUMENTS, LabError, cache_directory, qemu_command

RELEASE = "trixie"
MIRROR = os.environ.get("BULKHEAD_LAB_MIRROR", "http://deb.debian.org/debian")
GUEST = Path(__file__).resolve().parent / "guest"

HOST_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",  # a test mounts one in the guest
    "ssh": "openssh-client",
}
"""Command and the package that has it."""

EMULATOR_PACKAGES = ["qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu"]
"""Of the guest's release on every host. QEMU before 8.1 may run what the other processor of the guest has just changed:
the kernel, which rewrites itself while it runs, then dies of an int3 (seen at boot, in sched_clock_cpu).
"""

GUEST_PACKAGES = [
    "linux-image-amd64",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "uidmap",
    "openssh-server",
    "nftables",
    "busybox-static",
    "libpam-systemd",
    "podman",
    "crun",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "fuse-overlayfs",
    "passt",
    "dbus-user-session",
    "zfsutils-linux",
    "selinux-policy-default",
    "selinux-utils",
    "policycoreutils",
    "attr",
    "auditd",
    "systemd-oomd",
    "dmsetup",
    "prometheus",
    "prometheus-alertmanager",
    "jq",
    "strace",
    "curl",
    "procps",
    "iproute2",
    "ca-certificates",
    "openssl",
    "python3-gi",
    "python3-pydbus",
    "python3-podman",
    "python3-prometheus-client",
    "python3-requests",
    "python3-pyzfs",
    "python3-msgspec",
    "python3-hypothesis",
    "python3-pytest",
]

NOT_AT_BOOT = [
    "prometheus.service",
    "prometheus-alertmanager.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "man-db.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "logrotate.timer",
    "dpkg-db-backup.timer",
    "prometheus-node-exporter.service",
    "systemd-networkd-wait-online.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
]
"""Costs much in emulation and gives a test nothing; tests start Prometheus with settings of their own."""

KEPT_UNUSED_SECONDS = 86400
"""A layer that nobody used for so long is removed; a guest that runs from it keeps its open files."""


def _run(command: list[str], log: Path, what: str) -> None:
    """Run a step with its output in `log`; its failure is one sentence that says where to read on."""
    with log.open("ab") as output:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode:
        raise LabError(f"{what} failed ({command[0]} exited {done.returncode}); its output is in {log}")


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _layer(name: str, key: str, make: Callable[[Path, Path], None]) -> Path:
    """The directory of a layer; `make(directory, log)` fills it if it is not there."""
    directory = cache_directory() / f"{name}-{key}"
    if not directory.exists():
        partial = directory.with_suffix(".partial")
        _remove(partial)
        partial.mkdir(parents=True)
        log = cache_directory() / f"{name}.log"
        log.unlink(missing_ok=True)
        make(partial, log)
        partial.rename(directory)
    for old in cache_directory().glob(f"{name}-*"):
        if old != directory and time.time() - old.stat().st_mtime > KEPT_UNUSED_SECONDS:
            _remove(old)
    os.utime(directory)
    return directory


def _remove(directory: Path) -> None:
    """Never crosses into a mounted /proc or /dev that an interrupted build may have left inside."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=True)


def host_packages(say: Callable[[str], None]) -> None:
    """Install what the building machine lacks."""
    missing = [package for command, package in HOST_PACKAGES.items() if shutil.which(command) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise LabError(f"the lab needs {', '.join(missing)}: install them, or run as root on Debian")
    say(f"installing {', '.join(missing)} with apt")
    log = cache_directory() / "host-packages.log"
    # `make run` beside it may hold the lock of the lists for a moment, for which apt does not wait by itself.
    for pause_seconds in (10, 10, 10, 10, 0):
        try:
            _run(["apt-get", "update"], log, "apt-get update")
            break
        except LabError:
            if not pause_seconds:
                raise
            time.sleep(pause_seconds)
    options = ["-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"]
    _run(["apt-get", "install", *options, *missing], log, "installing host packages")


def _debootstrap(directory: Path, packages: list[str], log: Path, what: str, *, variant: str = "minbase") -> None:
    chosen = [f"--variant={variant}", "--components=main,contrib", f"--include={','.join(packages)}"]
    # Written as a directory of the host, so that the disk can be made with neither loop device nor mount.
    _run(["mmdebstrap", "--format=directory", *chosen, RELEASE, str(directory / "tree"), MIRROR], log, what)


def emulator() -> Path:
    """The tree that holds QEMU with all its libraries, unpacked and not configured."""

    def make(directory: Path, log: Path) -> None:
        _debootstrap(directory, EMULATOR_PACKAGES, log, "unpacking the emulator", variant="extract")

    recipe = inspect.getsource(_debootstrap)
    return _layer("emulator", _key(RELEASE, EMULATOR_PACKAGES, recipe), make) / "tree"


def root_tree() -> Path:
    """The guest's packages, unpacked and configured."""

    def make(directory: Path, log: Path) -> None:
        _debootstrap(directory, GUEST_PACKAGES, log, "building the root tree")

    return _layer("tree", _key(RELEASE, GUEST_PACKAGES, inspect.getsource(_debootstrap)), make)


def kernel_of(tree: Path) -> str:
    """The version of the one kernel installed in the tree."""
    return next((tree / "tree/boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")


def zfs_module(tree: Path) -> Path:
    """spl.ko and zfs.ko for the tree's kernel, compiled in a second tree that is then thrown away."""
    kernel = kernel_of(tree)
    status = (tree / "tree/var/lib/dpkg/status").read_text()
    found = re.search(r"^Package: zfsutils-linux\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE)
    if found is None:
        raise LabError("the root tree has no zfsutils-linux")

    def make(directory: Path, log: Path) -> None:
        packages = [f"linux-image-{kernel}", f"linux-headers-{kernel}", "zfs-dkms"]
        _debootstrap(directory, packages, log, "compiling the ZFS module")
        built = directory / "tree/lib/modules" / kernel / "updates"
        if not any(built.rglob("zfs.ko*")):
            raise LabError(f"compiling the ZFS module left no zfs.ko; its output is in {log}")
        shutil.move(built, directory / "updates")
        _remove(directory / "tree")

    return _layer("zfs", _key(kernel, found.group(1)), make)


def ssh_key() -> Path:
    key = cache_directory() / "key"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)], check=True)
    return key.with_suffix(".pub")


def _overlay(tree: Path) -> dict[str, tuple[int, bytes]]:
    """Every file that the lab adds to the tree, by path, with its mode."""
    busybox = tree / "tree/bin/busybox"
    applets = subprocess.run([str(busybox), "--list"], check=True, capture_output=True, text=True).stdout.split()
    archive, reference = image.archive(busybox.read_bytes(), applets)
    files = {
        str(path.relative_to(GUEST)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(GUEST.rglob("*"))
        if path.is_file()
    }
    files |= {path: (0o644, text.encode()) for path, text in containers.files(reference).items()}
    files |= {
        "etc/hostname": (0o644, b"lab\n"),
        "etc/hosts": (0o644, b"127.0.0.1 localhost lab\n"),
        "etc/fstab": (0o644, b"/dev/vda / ext4 defaults 0 1\n"),
        "root/.ssh/authorized_keys": (0o600, ssh_key().read_bytes()),
        "var/lib/systemd/linger/alice": (0o644, b""),
        "usr/local/lib/lab/image.tar": (0o644, archive),
    }
    return {path: (mode, data.replace(b"@IMAGE@", reference.encode())) for path, (mode, data) in files.items()}


def _write(root: Path, files: dict[str, tuple[int, bytes]]) -> None:
    for path, (mode, data) in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)


def _configure(root: Path, modules: Path, kernel: str, log: Path) -> None:
    """What has to be done inside the tree; the labels too, which saves the guest a relabelling boot."""
    shutil.copytree(modules / "updates", root / "lib/modules" / kernel / "updates", dirs_exist_ok=True)
    steps = f"""
        depmod {kernel}
        useradd --create-home --uid 1000 --shell /bin/bash alice || exit 1
        systemctl mask {" ".join(NOT_AT_BOOT)}
        systemctl enable systemd-networkd podman.socket podrestart.service
        systemctl disable zfs-share.service
        chmod 700 /root/.ssh
        rm -f /etc/resolv.conf /.autorelabel /etc/machine-id && touch /etc/machine-id
        setfiles -F /etc/selinux/default/contexts/files/file_contexts /
    """
    _run(["chroot", str(root), "sh", "-c", steps], log, "configuring the guest's tree")


def base_image(emulator: Path, tree: Path, modules: Path) -> Path:
    """The guest's disks, ready to boot: labelled, with pool, datasets and images made."""
    files = _overlay(tree)
    recipe = [inspect.getsource(step) for step in (_configure, _provision, qemu_command)]

    def make(directory: Path, log: Path) -> None:
        kernel = kernel_of(tree)
        work = directory / "work"
        _run(["cp", "-a", "--reflink=auto", str(tree / "tree"), str(work)], log, "copying the root tree")
        _write(work, files)
        _configure(work, modules, kernel, log)
        for kind in ("vmlinuz", "initrd"):
            name = f"{kind}-{kernel}" if kind == "vmlinuz" else f"initrd.img-{kernel}"
            shutil.copy(work / "boot" / name, directory / kind)
        _run(["mke2fs", "-q", "-t", "ext4", "-d", str(work), str(directory / "root.img"), "6G"], log, "mke2fs")
        _remove(work)
        with (directory / "tank.img").open("wb") as tank:
            tank.truncate(2 << 30)
        _provision(emulator, directory)

    parts = (emulator.parent.name, tree.name, modules.name)
    return _layer("base", _key(parts, sorted(files.items()), KERNEL_ARGUMENTS, recipe), make)


def _provision(emulator: Path, directory: Path, *, timeout_seconds: float = 600) -> None:
    """Boot once into lab-provision.service, which makes what only a running kernel can, and powers off."""
    serial = cache_directory() / "provision-serial.log"
    disks = [(directory / f"{name}.img", "raw") for name in DISKS]
    append = f"{KERNEL_ARGUMENTS} systemd.unit=lab-provision.service"
    command = qemu_command(emulator, directory, disks, serial, forwards="", append=append)
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=timeout_seconds)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        raise LabError(f"the provisioning boot failed ({problem}); its console is in {serial}") from problem
    if b"LAB-PROVISIONED" not in serial.read_bytes():
        raise LabError(f"the provisioning boot made no pool or images; its console is in {serial}")
