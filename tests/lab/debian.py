"""Debian's packages for the lab: installed on the machine that builds, or unpacked into a tree of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from tests.lab.artefacts import cache_directory, run, say
from tests.lab.engine import LabError
from tests.lab.packages import HOST_PACKAGES

MIRROR = os.environ.get("LAB_MIRROR") or "http://deb.debian.org/debian"


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


def bootstrap(target: Path, packages: list[str], log: Path, what: str, *, how: str, sources: tuple[str, ...]) -> None:
    """Unpack packages into `target`, a directory or a .tar; written so that no loop device or mount is needed."""
    target_format = "tar" if target.suffix == ".tar" else "directory"
    # A mirror may be a snapshot with an old Release file; its signature is checked all the same.
    options = [f"--format={target_format}", f"--variant={how}", '--aptopt=Acquire::Check-Valid-Until "false"']
    command = ["mmdebstrap", *options, f"--include={','.join(packages)}"]
    # What it unpacks to on the way to a tar lies beside it, and goes with it.
    here = ["env", f"TMPDIR={target.parent}"]
    run([*here, *command, sources[0].split()[2], str(target), *sources], log, what)


def sources_of(release: str, *more: str) -> tuple[str, ...]:
    return tuple(f"deb {MIRROR} {name} main contrib" for name in (release, *more))


def version_of(tree: Path, package: str) -> str:
    """The version of a package that is installed in the tree."""
    found = re.search(
        rf"^Package: {re.escape(package)}\n(?:.+\n)*?Version: (.+)$", (tree / "status").read_text(), re.MULTILINE
    )
    if found is None:
        raise LabError(f"the guest's tree has no {package}: remove {tree} to have it made anew")
    return found.group(1)
