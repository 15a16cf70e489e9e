"""The parts of /proc and /sys that tell of the host are masked.

Declared: linux.maskedPaths of the OCI configuration. In force: at each of podman's own masked paths that this kernel
has, /proc/PID/mountinfo shows a mask and nothing over it. crun and runc cover a file with /dev/null, the host's or the
container's own, and a directory with an empty tmpfs that is read-only; a newer crun covers all directories with one
that is empty:

    823 800 0:6  /null                      /proc/kcore   ro,nosuid,relatime - devtmpfs udev rw
    822 799 0:64 /                          /sys/firmware ro,relatime        - tmpfs tmpfs rw,size=0k
    812 798 0:27 /run/crun/.empty-directory /sys/firmware ro                 - tmpfs tmpfs rw

Whatever else is mounted there (a directory of the host, another procfs) is no mask.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import MASKED_PATHS
from exporter.facts.process import MountPoint
from exporter.report.findings import Outcome, Severity

_OF_NULL = frozenset({"devtmpfs", "tmpfs"})
"""Where /dev/null is: the host's, and that of a container whose /dev holds nodes of its own."""


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the paths that podman was asked to mask."""
    masked = subject.container.security.masked_paths if subject.container else None
    lacking = _lacking(subject, frozenset(masked or ()))
    return asked(
        "paths masked",
        "paths of the host not masked",
        stands=None if masked is None else not lacking,
        detail=", ".join(lacking[:5]),
    )


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the mounts of the container's first process."""
    promised = promise(declared(subject))
    if subject.host is None or subject.host.maskable_paths is None:
        return unknown("host's paths not readable")
    mounts = subject.processes.mounts if subject.processes else ()
    if not mounts:
        return unknown("mounts not readable")
    lacking = _lacking(subject, frozenset(path for path in subject.host.maskable_paths if _is_masked(path, mounts)))
    if lacking:
        return failed("paths of the host not masked", ", ".join(lacking[:5]), drift=promised is True)
    return passed("paths masked", drift=promised is False)


def _is_masked(path: str, mounts: tuple[MountPoint, ...]) -> bool:
    # Mounts stack: what a process meets is the last one there, or a later one at /proc over all that is below it.
    met = next((one for one in reversed(mounts) if f"{path}/".startswith(f"{one.mount_point.rstrip('/')}/")), None)
    if met is None or met.mount_point != path:
        return False
    if met.root == "/null":
        return met.filesystem in _OF_NULL
    is_empty = met.root.endswith("/.empty-directory") or (met.filesystem == "tmpfs" and met.root == "/")
    return is_empty and "ro" in met.options


def _lacking(subject: ContainerSubject, masked: frozenset[str]) -> list[str]:
    there = subject.host.maskable_paths if subject.host and subject.host.maskable_paths is not None else MASKED_PATHS
    return [path for path in there if path not in masked]


CHECK = Check(
    id="paths_masked",
    title="Paths of the host are masked",
    severity=Severity.WARNING,
    why="/proc/kcore, /proc/keys, /sys/firmware and their like tell of the host, or reach into it.",
    fix_quadlet="Remove Unmask=",
    fix_podman="Remove --security-opt unmask=",
    references=("PSS baseline: /proc mount type", "podman-run(1): --security-opt mask, unmask"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=unmask", "--privileged", "[Container]"),
)
