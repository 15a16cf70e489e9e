"""The recipes of the lab: what each slow part is made of, and how.

    tree         Debian's packages, as a tar          -> base
    emulator     QEMU with all its libraries          -> base of the family `qemu`
    zfs          spl.ko and zfs.ko for Debian's kernel -> base of the family `qemu`
    uml-kernel   a kernel for user-mode Linux, and its spl.ko and zfs.ko -> base of the family `uml`
    base         disks that are labelled and prepared: pool, datasets, images; and the kernel

`artefacts.py` keeps them. A part made elsewhere is taken from the ready folder if its content says that it fits.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab import containers, image
from tests.lab.artefacts import cache_directory, key, layer, ready_directory, remove, run, say
from tests.lab.engine import Boot, Disk, Engine, LabError
from tests.lab.packages import (
    EMULATOR_PACKAGES,
    GUEST_PACKAGES,
    HOST_PACKAGES,
    KERNEL_SOURCE,
    NOT_AT_BOOT,
    RELEASE,
    UML_BUILD_PACKAGES,
)

TOOLS_RELEASE = "trixie"
"""Debian's release that the emulator and the source of the UML kernel come from, whatever runs in the guest."""
MIRROR = os.environ.get("LAB_MIRROR") or "http://deb.debian.org/debian"
HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
UML_CONFIG = HERE / "uml.config"
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
    kernel = _zfs_for_debians_kernel(tree) if engine.family == "qemu" else _uml_kernel(tree)
    return Base(_base_image(engine, emulator, tree, kernel), emulator)


# --- programs of the building machine ---


def host_packages(more: dict[str, str], *, always: tuple[str, ...] = ()) -> None:
    """Install what the building machine lacks: commands with the package that has them, and `always` by name."""
    missing = [package for command, package in (HOST_PACKAGES | more).items() if shutil.which(command) is None]
    if always:
        asked = ["dpkg-query", "-W", "-f", "${db:Status-Status}"]
        states = {name: subprocess.run([*asked, name], check=False, capture_output=True).stdout for name in always}
        missing += [name for name, state in states.items() if state != b"installed"]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise LabError(f"the lab needs {', '.join(missing)}: install them, or run as root on Debian")
    say(f"installing {', '.join(missing)} with apt")
    log = cache_directory() / "host-packages.log"
    # `make run` beside it may hold the lock of the lists for a moment, for which apt does not wait by itself.
    for pause_seconds in (10, 10, 10, 10, 0):
        try:
            run(["apt-get", "update"], log, "apt-get update")
            break
        except LabError:
            if not pause_seconds:
                raise
            time.sleep(pause_seconds)
    options = ["-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"]
    run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *options, *missing], log, "apt-get install")


def ssh_key() -> Path:
    """The public half of the key that every guest knows."""
    private = cache_directory() / "key"
    if not private.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(private)], check=True)
    return private.with_suffix(".pub")


# --- Debian's packages ---


def _bootstrap(target: Path, packages: list[str], log: Path, what: str, *, how: str, sources: tuple[str, ...]) -> None:
    """Unpack packages into `target`, a directory or a .tar; written so that no loop device or mount is needed."""
    target_format = "tar" if target.suffix == ".tar" else "directory"
    # A mirror may be a snapshot with an old Release file; its signature is checked all the same.
    options = [f"--format={target_format}", f"--variant={how}", '--aptopt=Acquire::Check-Valid-Until "false"']
    command = ["mmdebstrap", *options, f"--include={','.join(packages)}"]
    # What it unpacks to on the way to a tar lies beside it, and goes with it.
    here = ["env", f"TMPDIR={target.parent}"]
    run([*here, *command, sources[0].split()[2], str(target), *sources], log, what)


def _sources(release: str, *more: str) -> tuple[str, ...]:
    return tuple(f"deb {MIRROR} {name} main contrib" for name in (release, *more))


def _emulator() -> Path:
    """The tree that holds QEMU with all its libraries, unpacked and not configured."""

    def make(directory: Path, log: Path) -> None:
        sources = _sources(TOOLS_RELEASE)
        _bootstrap(directory / "tree", EMULATOR_PACKAGES, log, "unpacking QEMU", how="extract", sources=sources)

    of = key(TOOLS_RELEASE, EMULATOR_PACKAGES)
    return layer("emulator", of, make, what="the emulator, from Debian's packages", estimate_seconds=60, mib=1500) / (
        "tree"
    )


def _root_tree(engine: Engine) -> Path:
    """The guest's packages, unpacked and configured, as tree.tar; and their versions, as dpkg's status file."""
    packages = [*GUEST_PACKAGES, *(["linux-image-amd64"] if engine.family == "qemu" else [])]

    def make(directory: Path, log: Path) -> None:
        archive = directory / "tree.tar"
        _bootstrap(archive, packages, log, "building the root tree", how="minbase", sources=_sources(RELEASE))
        status = subprocess.run(
            ["tar", "-xOf", str(archive), "./var/lib/dpkg/status"], check=True, stdout=subprocess.PIPE
        )
        (directory / "status").write_bytes(status.stdout)

    what = f"the root tree, Debian {RELEASE} with podman and ZFS"
    return layer("tree", key(RELEASE, packages), make, what=what, estimate_seconds=120, mib=2000)


def _version_of(tree: Path, package: str) -> str:
    """The version of a package that is installed in the tree."""
    found = re.search(
        rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: (.+)$", (tree / "status").read_text(), re.MULTILINE
    )
    if found is None:
        raise LabError(f"the guest's tree has no {package}: remove {tree} to have it made anew")
    return found.group(1)


# --- kernels and the ZFS module ---


def _zfs_for_debians_kernel(tree: Path) -> Path:
    """`updates/` with spl.ko and zfs.ko for the tree's kernel, compiled in a second tree that is then thrown away."""
    found = re.search(r"^Package: linux-image-(\d\S+)$", (tree / "status").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"the guest's tree has no kernel: remove {tree} to have it made anew")
    kernel, zfs = found.group(1), _version_of(tree, "zfsutils-linux")

    def make(directory: Path, log: Path) -> None:
        packages = [f"linux-image-{kernel}", f"linux-headers-{kernel}", "zfs-dkms"]
        second = directory / "tree"
        _bootstrap(second, packages, log, "compiling the ZFS module", how="minbase", sources=_sources(RELEASE))
        built = second / "lib/modules" / kernel / "updates"
        if not any(built.rglob("zfs.ko*")):
            raise LabError(f"compiling the ZFS module left no zfs.ko; its output is in {log}")
        (directory / "release").write_text(kernel)
        shutil.move(built, directory / "updates")
        remove(second)

    of = key(RELEASE, kernel, zfs)
    return layer("zfs", of, make, what="the ZFS module for Debian's kernel", estimate_seconds=480, mib=3000)


def _uml_kernel(tree: Path) -> Path:
    """`linux`, and `modules.tar` with the ZFS modules that fit the tree's zfsutils; ready-made, or built."""
    zfs = _upstream(_version_of(tree, "zfsutils-linux"))
    of = key(KERNEL_SOURCE, UML_CONFIG.read_bytes(), zfs)

    def make(directory: Path, log: Path) -> None:
        refusal = _take_ready_kernel(ready_directory(), directory, zfs)
        if refusal is None:
            return say(f"taken from {ready_directory()}")
        say(f"nothing ready-made fits ({refusal}): compiling, which takes 15 to 25 min")
        return _compile_uml_kernel(directory, log, zfs)

    return layer("uml-kernel", of, make, what="a user-mode kernel with ZFS", estimate_seconds=5, mib=100)


def _upstream(version: str) -> str:
    """`2.3.9-0+deb13u1` -> `2.3.9`."""
    return version.partition(":")[2].rpartition("-")[0] or version.rpartition("-")[0] or version


def _take_ready_kernel(ready: Path, directory: Path, zfs: str) -> str | None:
    """Unpack ready-made parts if they are what would be built; else say why not, and leave nothing."""
    names = ("linux-uml.zst", "zfs-modules.tar.zst")
    absent = [name for name in names if not (ready / name).is_file()]
    if absent:
        return f"{ready} has no {absent[0]}"
    linux, modules = directory / "linux", directory / "modules.tar"
    problem = None
    for name, target in zip(names, (linux, modules), strict=True):
        done = subprocess.run(["zstd", "-dqf", str(ready / name), "-o", str(target)], check=False, capture_output=True)
        if done.returncode:
            problem = f"{name} is damaged: {done.stderr.decode(errors='replace').strip()}"
    if problem is None:
        linux.chmod(0o755)
        problem = _misfit(linux, modules, zfs)
    if problem is not None:
        linux.unlink(missing_ok=True)
        modules.unlink(missing_ok=True)
    return problem


def _misfit(linux: Path, modules: Path, zfs: str) -> str | None:
    """Why this kernel or these modules are not what the recipe asks for; None if they are."""
    try:
        config, release = (
            subprocess.run([str(linux), option], check=True, capture_output=True, text=True, timeout=20).stdout
            for option in ("--showconfig", "--version")
        )
        wanted = {line for line in UML_CONFIG.read_text().splitlines() if line}
        differing = sorted(wanted - set(config.splitlines()))
        if differing:
            return f"the kernel was built without {differing[0]}"
        if not release.strip().startswith(KERNEL_SOURCE.rpartition("-")[2] + "."):
            return f"the kernel is {release.strip()} and not of {KERNEL_SOURCE}"
        with tarfile.open(modules) as archive:
            module = archive.extractfile(f"usr/lib/modules/{release.strip()}/extra/zfs.ko")
            held = b"" if module is None else module.read()
        if f"\0vermagic={release.strip()} ".encode() not in held:
            return "the ZFS modules are for another kernel"
        if f"\0version={zfs}-".encode() not in held:
            return f"the ZFS modules are not of version {zfs}"
    except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as problem:
        return f"it cannot be used: {problem}"
    return None


def _compile_uml_kernel(directory: Path, log: Path, zfs: str) -> None:
    host_packages({}, always=UML_BUILD_PACKAGES)
    work = directory / "work"
    sources = _sources(TOOLS_RELEASE, f"{TOOLS_RELEASE}-backports", *([RELEASE] if RELEASE != TOOLS_RELEASE else []))
    packages = [KERNEL_SOURCE, f"zfs-dkms/{RELEASE}"]
    _bootstrap(work, packages, log, "unpacking the sources", how="extract", sources=sources)
    jobs = f"-j{(os.cpu_count() or 1) + 1}"
    source = work / "usr/src" / KERNEL_SOURCE
    zfs_source = work / f"usr/src/zfs-{zfs}"
    modules = f"{work}/packed/usr/lib/modules/$(make -s -C {source} ARCH=um kernelrelease)"
    configure = f"./configure --with-config=kernel --with-linux={source} --with-linux-obj={source} --prefix=/usr"
    steps = {
        "unpacking the kernel's source": f"tar -C {work}/usr/src -xf {source}.tar.xz",
        "compiling the kernel, about 12 min": f"""
            cd {source} && cp {UML_CONFIG} .config && make ARCH=um olddefconfig
            make ARCH=um {jobs} linux modules_prepare
            cp vmlinux.symvers Module.symvers""",
        "compiling ZFS, about 5 min": f"""
            export ARCH=um
            cd {zfs_source} && {configure} --disable-dependency-tracking
            make {jobs} -C module""",
        "packing": f"""
            strip -o {directory}/linux {source}/linux
            mkdir -p {modules}/extra
            for each in spl zfs; do
                strip -g -o {modules}/extra/$each.ko $(find {zfs_source}/module -name $each.ko)
            done
            cp {source}/modules.builtin {source}/modules.builtin.modinfo {modules}/
            : >{modules}/modules.order
            tar -C {work}/packed -cf {directory}/modules.tar usr""",
    }
    for what, script in steps.items():
        say(what)
        run(["nice", "sh", "-ec", script], log, what)
    remove(work)
    problem = _misfit(directory / "linux", directory / "modules.tar", zfs)
    if problem is not None:
        raise LabError(f"the kernel that was built does not fit its own recipe: {problem}; its output is in {log}")


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
