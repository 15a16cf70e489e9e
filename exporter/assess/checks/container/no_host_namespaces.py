"""The container lives in namespaces that are not the host's.

Declared: PidMode, IpcMode, NetworkMode, UTSMode, CgroupMode and UsernsMode of inspect. In force: the inodes
of /proc/PID/ns of every process, against those of pid 1. A pod's members share those of its infra
container, which are the pod's and not the host's.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, asked_of_own, failed, judge_every_process, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import Container
from exporter.facts.process import Process
from exporter.report.findings import Outcome, Severity, Verdict

_KINDS = ("pid", "ipc", "net", "uts", "cgroup", "user")


def _asked_for(container: Container) -> list[str]:
    walls = container.security
    modes = {
        "pid": walls.pid_mode,
        "ipc": walls.ipc_mode,
        "net": container.network_mode,
        "uts": walls.uts_mode,
        "cgroup": walls.cgroup_mode,
    }
    found = [kind for kind, mode in modes.items() if mode == "host"]
    # A user's podman is never in the host's; root's is there unless something else is asked for.
    mapped = walls.userns_auto or walls.uid_map or walls.gid_map
    if not container.user and not mapped and walls.userns_mode in {"", "host"}:
        found.append("user")
    return found


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the modes that podman was asked for."""
    container = subject.container
    if container is None or not container.inspected:
        return unknown("nothing says what was asked for")
    of_host = [kind for kind in _asked_for(container) if kind not in container.security.of_others]
    outcome = asked(
        "namespaces of its own",
        "in a namespace of the host",
        stands=not of_host,
        detail=f"shared: {', '.join(of_host)}",
    )
    return asked_of_own(outcome, subject, *_KINDS)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the namespaces of every process."""
    host = {kind: inode for kind, inode in subject.host_namespaces if kind in _KINDS}
    outcome = judge_every_process(
        subject,
        lambda process: not _shared(process, host),
        declared=promise(declared(subject)),
        good="namespaces of its own",
        bad="in a namespace of the host",
    )
    processes = subject.processes.processes if subject.processes else ()
    if outcome.verdict is Verdict.FAIL:
        kinds = sorted({kind for process in processes for kind in _shared(process, host)}, key=_KINDS.index)
        return failed(outcome.reason, f"shared: {', '.join(kinds)}; by {outcome.detail}", drift=outcome.drift)
    if outcome.verdict is not Verdict.PASS:
        return outcome
    if lacking := [kind for kind in _KINDS if kind not in host]:
        return unknown("host's namespaces not readable", ", ".join(lacking))
    if any(host.keys() - dict(process.namespaces) for process in processes):
        return unknown("a process's namespaces not readable")
    return outcome


def _shared(process: Process, host: dict[str, int]) -> list[str]:
    return [kind for kind, inode in process.namespaces if host.get(kind) == inode]


CHECK = Check(
    id="no_host_namespaces",
    title="In no namespace of the host",
    severity=Severity.CRITICAL,
    why="In the host's namespaces a process sees, signals or listens as the host itself does.",
    fix_quadlet="UserNS=auto; remove Network=host and --pid, --ipc, --uts, --cgroupns host from PodmanArgs=",
    fix_podman="--userns auto; remove --pid, --ipc, --network, --uts, --cgroupns and --userns host",
    references=("CIS Docker 5.9, 5.15, 5.16, 5.20, 5.30", "PSS baseline: host namespaces", "namespaces(7)"),
    examine=examine,
    declared=declared,
    causes=("--pid", "--ipc", "--network", "--uts", "--cgroupns", "--userns", "--pod", "[Container]"),
)
