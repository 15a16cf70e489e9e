"""The recipes of the lab: what each slow part is made of, and how.

    tree         Debian's packages, as a tar          -> base
    emulator     QEMU with all its libraries          -> base of the family `qemu`
    zfs          spl.ko and zfs.ko for Debian's kernel -> base of the family `qemu`
    uml-kernel   a kernel for user-mode Linux, and its spl.ko and zfs.ko -> base of the family `uml`
    base         disks that are labelled and prepared: pool, datasets, images; and the kernel

`artefacts.py` keeps them; the recipes of zfs and uml-kernel are in `kernels.py`.
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import containers, image
from tests.lab.artefacts import cache_directory, key, layer, remove, run
from tests.lab.debian import bootstrap, host_packages, sources_of
from tests.lab.engine import Boot, Disk, Engine, LabError
from tests.lab.kernels import uml_kernel, zfs_for_debians_kernel
from tests.lab.packages import EMULATOR_PACKAGES, GUEST_PACKAGES, NOT_AT_BOOT, RELEASE, TOOLS_RELEASE

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
DISKS = ("root", "tank")
"""Names of the disks' files in a base image, in the order in which the guest sees them."""
ROOT_SIZE, TANK_BYTES = "6G", 2 << 30


@dataclass(frozen=True, slots=True)
class Base:
    """What a guest is booted from: the directory of kernel and disks, and QEMU's own tree where it is needed."""

    directory: Path
    emulator: Path | None


def base_for(engine: Engine) -> Base:
    """The base image for an engine, with everything that it is made of; made where it is not there yet."""
    host_packages({"ethtool": "ethtool"} if engine.family == "uml" else {})
    ssh_key()
    emulator = _emulator() if engine.family == "qemu" else None
    tree = _root_tree(engine)
    kernel = zfs_for_debians_kernel(tree) if engine.family == "qemu" else uml_kernel(tree)
    return Base(_base_image(engine, emulator, tree, kernel), emulator)


def ssh_key() -> Path:
    """The public half of the key that every guest knows."""
    private = cache_directory() / "key"
    if not private.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(private)], check=True)
    return private.with_suffix(".pub")


# --- Debian's packages ---


def _emulator() -> Path:
    """The tree that holds QEMU with all its libraries, unpacked and not configured."""

    def make(directory: Path, log: Path) -> None:
        sources = sources_of(TOOLS_RELEASE)
        bootstrap(directory / "tree", EMULATOR_PACKAGES, log, "unpacking QEMU", how="extract", sources=sources)

    of = key(TOOLS_RELEASE, EMULATOR_PACKAGES)
    return layer("emulator", of, make, what="the emulator, from Debian's packages", estimate_seconds=60, mib=1500) / (
        "tree"
    )


def _root_tree(engine: Engine) -> Path:
    """The guest's packages, unpacked and configured, as tree.tar; and their versions, as dpkg's status file."""
    packages = [*GUEST_PACKAGES, *(["linux-image-amd64"] if engine.family == "qemu" else [])]

    def make(directory: Path, log: Path) -> None:
        archive = directory / "tree.tar"
        bootstrap(archive, packages, log, "building the root tree", how="minbase", sources=sources_of(RELEASE))
        status = subprocess.run(
            ["tar", "-xOf", str(archive), "./var/lib/dpkg/status"], check=True, stdout=subprocess.PIPE
        )
        (directory / "status").write_bytes(status.stdout)

    what = f"the root tree, Debian {RELEASE} with podman and ZFS"
    return layer("tree", key(RELEASE, packages), make, what=what, estimate_seconds=120, mib=2000)


# --- the base image ---


def _overlay(engine: Engine, busybox: bytes, applets: list[str]) -> dict[str, tuple[int, bytes]]:
    """Every file that the lab adds to the tree, by path, with its mode."""
    archive, reference = image.archive(busybox, applets)
    files = {
        str(path.relative_to(GUEST)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(GUEST.rglob("*"))
        if path.is_file()
    }
    files |= {path: (0o644, text.encode()) for path, text in containers.files(reference).items()}
    files |= {
        "etc/hostname": (0o644, b"lab\n"),
        "etc/hosts": (0o644, b"127.0.0.1 localhost lab\n"),
        "etc/fstab": (0o644, f"{engine.disks[0]} / ext4 defaults 0 1\n".encode()),
        "root/.ssh/authorized_keys": (0o600, ssh_key().read_bytes()),
        "var/lib/systemd/linger/alice": (0o644, b""),
        "usr/local/lib/lab/image.tar": (0o644, archive),
    }
    filled = {"@IMAGE@": reference, "@POOL_DISK@": engine.disks[1]}
    result = {}
    for path, (mode, data) in files.items():
        for mark, text in filled.items():
            data = data.replace(mark.encode(), text.encode())  # noqa: PLW2901 - each mark in its turn
        result[path] = (mode, data)
    return result


def _write(root: Path, files: dict[str, tuple[int, bytes]]) -> None:
    for path, (mode, data) in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)


def _configure(root: Path, log: Path) -> None:
    """What has to be done inside the tree; the labels too, which saves the guest a relabelling boot."""
    steps = f"""
        for kernel in /usr/lib/modules/*; do depmod "${{kernel##*/}}" || exit 1; done
        useradd --create-home --uid 1000 --shell /bin/bash alice || exit 1
        # libsubid of shadow 4.20 knows ranges of accounts alone; podman of Debian 13 reads the files itself.
        if ldd /usr/bin/podman | grep -q libsubid; then useradd --system containers || exit 1; fi
        systemctl mask {" ".join(NOT_AT_BOOT)}
        systemctl enable systemd-networkd podman.socket podrestart.service
        systemctl disable zfs-share.service
        chmod 700 /root/.ssh
        rm -f /etc/resolv.conf /.autorelabel /etc/machine-id && touch /etc/machine-id
        setfiles -F /etc/selinux/default/contexts/files/file_contexts /
    """
    run(["chroot", str(root), "sh", "-c", steps], log, "configuring the guest's tree")


def _busybox(tree: Path) -> tuple[bytes, list[str]]:
    """The static busybox of the tree, and the names that it answers to."""
    for name in ("./usr/bin/busybox", "./bin/busybox"):
        command = ["tar", "-xOf", str(tree / "tree.tar"), name]
        program = subprocess.run(command, check=False, capture_output=True).stdout
        if program:
            break
    else:
        raise LabError(f"the guest's tree has no busybox: remove {tree} to have it made anew")
    kept = cache_directory() / f"busybox-{hashlib.sha256(program).hexdigest()[:16]}"
    if not kept.exists():
        partial = kept.with_suffix(".partial")
        partial.write_bytes(program)
        partial.chmod(0o755)
        partial.rename(kept)
    applets = subprocess.run([str(kept), "--list"], check=True, capture_output=True, text=True).stdout.split()
    return program, applets


def _base_image(engine: Engine, emulator: Path | None, tree: Path, kernel: Path) -> Path:
    """The guest's disks, ready to boot: labelled, with pool, datasets and images made; and the kernel to boot."""
    files = _overlay(engine, *_busybox(tree))
    recipe = [inspect.getsource(step) for step in (_configure, _prepare_disks, _provision)]

    def make(directory: Path, log: Path) -> None:
        work = directory / "work"
        work.mkdir()
        run(
            [
                "tar",
                "-C",
                str(work),
                "--numeric-owner",
                "--xattrs",
                "--xattrs-include=*",
                "-xpf",
                str(tree / "tree.tar"),
            ],
            log,
            "unpacking the tree",
        )
        if engine.family == "uml":
            run(["tar", "-C", str(work), "--no-same-owner", "-xf", str(kernel / "modules.tar")], log, "the modules")
            shutil.copy(kernel / "linux", directory / "linux")
        else:
            release = (kernel / "release").read_text()
            shutil.copytree(kernel / "updates", work / "usr/lib/modules" / release / "updates", dirs_exist_ok=True)
            for name, target in ((f"vmlinuz-{release}", "vmlinuz"), (f"initrd.img-{release}", "initrd")):
                shutil.copy(work / "boot" / name, directory / target)
        _write(work, files)
        _configure(work, log)
        _prepare_disks(directory, work, log)
        _provision(engine, emulator, directory)

    of = key(engine.family, tree.name, kernel.name, sorted(files.items()), recipe)
    seconds = 60 if engine.family == "uml" else 200
    what = "the base image: labels, pool, datasets, container images"
    return layer(f"base-{engine.family}", of, make, what=what, estimate_seconds=seconds, mib=4000)


def _prepare_disks(directory: Path, work: Path, log: Path) -> None:
    run(["mke2fs", "-q", "-t", "ext4", "-d", str(work), str(directory / "root.img"), ROOT_SIZE], log, "mke2fs")
    remove(work)
    with (directory / "tank.img").open("wb") as tank:
        tank.truncate(TANK_BYTES)


def _provision(engine: Engine, emulator: Path | None, directory: Path, *, timeout_seconds: float = 900) -> None:
    """Boot once into lab-provision.service, which makes what only a running kernel can, and powers off."""
    place = directory / "provisioning"
    place.mkdir()
    disks = tuple(Disk(directory / f"{name}.img") for name in DISKS)
    boot = Boot(place, directory, emulator, disks, arguments="systemd.unit=lab-provision.service")
    kept = cache_directory() / "provision-serial.log"
    try:
        command = [*engine.command(boot), *(["-no-reboot"] if engine.family == "qemu" else [])]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=timeout_seconds)
        if b"LAB-PROVISIONED" not in boot.serial_log.read_bytes():
            raise LabError(f"the provisioning boot made no pool or images; its console is in {kept}")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
        raise LabError(f"the provisioning boot failed ({problem}); its console is in {kept}") from problem
    finally:
        if boot.serial_log.exists():
            shutil.copy(boot.serial_log, kept)
    remove(place)
