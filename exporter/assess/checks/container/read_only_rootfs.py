"""A container cannot write to its image: `/` is mounted read-only.

Declared: HostConfig.ReadonlyRootfs. In force: `ro` of the last `/` in /proc/PID/mountinfo.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked."""
    read_only = subject.container.security.read_only_rootfs if subject.container else None
    return asked("root file system read-only", "root file system writable", stands=read_only)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the root mount of the container's first process."""
    promised = promise(declared(subject))
    # Mounts stack: of several at one point, the last is the one that processes see.
    roots = [mount for mount in (subject.processes.mounts if subject.processes else ()) if mount.mount_point == "/"]
    if not roots:
        return unknown("mounts not readable")
    if "ro" not in roots[-1].options:
        return failed("root file system writable", f"/ is {','.join(roots[-1].options)}", drift=promised is True)
    return passed("root file system read-only", drift=promised is False)


CHECK = Check(
    id="read_only_rootfs",
    title="Root file system is read-only",
    severity=Severity.WARNING,
    why="A compromised process cannot replace the programs of its image, and nothing but volumes keeps state.",
    fix_quadlet="ReadOnly=true",
    fix_podman="--read-only",
    references=("podman-run(1): --read-only", "CIS Docker 5.12"),
    examine=examine,
    declared=declared,
    causes=("--read-only", "[Container]"),
)
