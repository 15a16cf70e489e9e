"""The container sees no device of the host beyond null, zero, full, tty, random and urandom.

Declared: HostConfig.Devices; --privileged gives all of them. In force: what is mounted from the host's devtmpfs,
which is how podman gives devices to a container with ids of its own; without them it makes nodes, which
/proc/PID/mountinfo does not show, and what was declared decides.

    809 802 0:6 /null /dev/null rw,nosuid,noexec,relatime - devtmpfs udev rw
"""

from __future__ import annotations

import posixpath

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown, with_mounts_seen
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.places import is_below
from exporter.report.findings import Outcome, Severity

_OF_EVERY_CONTAINER = frozenset({"/null", "/zero", "/full", "/tty", "/random", "/urandom"})


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the devices that podman was asked for."""
    container = subject.container
    if container is None or not container.inspected:
        return unknown("nothing says what was asked for")
    devices = container.security.devices
    shown = "--privileged gives all" if container.security.privileged else ", ".join(devices[:5])
    return asked(
        "no added devices",
        "devices of the host are added",
        stands=not devices and not container.security.privileged,
        detail=shown,
    )


def examine(subject: ContainerSubject) -> Outcome:
    """Judge what is mounted from the host's /dev, then what was asked for."""
    mounts = subject.processes.mounts if subject.processes else ()
    if not mounts:
        return unknown("mounts not readable")
    wanted = declared(subject)
    promised = promise(wanted)
    seen = [one.root for one in mounts if one.filesystem == "devtmpfs" and one.root not in _OF_EVERY_CONTAINER]
    if seen:
        shown = ", ".join(f"/dev{root}" for root in seen[:5])
        return failed("devices of the host are added", shown, drift=promised is True)
    if promised is None and not subject.user:
        return unknown("podman did not say")
    hidden = (one for one in subject.unseen_mounts if is_below(posixpath.normpath(one.source), "/dev"))
    return with_mounts_seen(wanted if promised is False else passed("no added devices"), hidden)


CHECK = Check(
    id="no_added_devices",
    title="No devices of the host",
    severity=Severity.WARNING,
    why="A device is a way past every file system and into a driver of the kernel.",
    fix_quadlet="Remove AddDevice=, and --gpus and --device-cgroup-rule from PodmanArgs=",
    fix_podman="Remove --device, --gpus and --device-cgroup-rule",
    references=("CIS Docker 5.17", "podman-run(1): --device"),
    examine=examine,
    declared=declared,
    causes=("--device", "--gpus", "--device-cgroup-rule", "--privileged", "[Container]"),
)
