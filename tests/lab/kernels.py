"""Kernels of the lab's guests and their ZFS modules: for Debian's own kernel, and for a user-mode one.

A user-mode kernel that was made elsewhere is taken from the ready folder if its own words say that it fits: the
configuration that `linux --showconfig` prints, and version and kernel in zfs.ko.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.lab.artefacts import key, layer, ready_directory, remove, run, say
from tests.lab.debian import bootstrap, host_packages, sources_of, version_of
from tests.lab.engine import LabError
from tests.lab.packages import KERNEL_SOURCE, RELEASE, TOOLS_RELEASE, UML_BUILD_PACKAGES

UML_CONFIG = Path(__file__).resolve().parent / "uml.config"


def zfs_for_debians_kernel(tree: Path) -> Path:
    """`updates/` with spl.ko and zfs.ko for the tree's kernel, compiled in a second tree that is then thrown away."""
    found = re.search(r"^Package: linux-image-(\d\S+)$", (tree / "status").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"the guest's tree has no kernel: remove {tree} to have it made anew")
    kernel, zfs = found.group(1), version_of(tree, "zfsutils-linux")

    def make(directory: Path, log: Path) -> None:
        packages = [f"linux-image-{kernel}", f"linux-headers-{kernel}", "zfs-dkms"]
        second = directory / "tree"
        bootstrap(second, packages, log, "compiling the ZFS module", how="minbase", sources=sources_of(RELEASE))
        built = second / "lib/modules" / kernel / "updates"
        if not any(built.rglob("zfs.ko*")):
            raise LabError(f"compiling the ZFS module left no zfs.ko; its output is in {log}")
        (directory / "release").write_text(kernel)
        shutil.move(built, directory / "updates")
        remove(second)

    of = key(RELEASE, kernel, zfs)
    return layer("zfs", of, make, what="the ZFS module for Debian's kernel", estimate_seconds=480, mib=3000)


def uml_kernel(tree: Path) -> Path:
    """`linux`, and `modules.tar` with the ZFS modules that fit the tree's zfsutils; ready-made, or built."""
    zfs = _upstream(version_of(tree, "zfsutils-linux"))
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
    sources = sources_of(TOOLS_RELEASE, f"{TOOLS_RELEASE}-backports", *([RELEASE] if RELEASE != TOOLS_RELEASE else []))
    packages = [KERNEL_SOURCE, f"zfs-dkms/{RELEASE}"]
    bootstrap(work, packages, log, "unpacking the sources", how="extract", sources=sources)
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
