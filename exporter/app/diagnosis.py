"""What `bulkhead doctor` says of one source: ok, not here, or cannot be read, and then what to install or grant.

    ok        podman       7 containers, 6 running (0.31 s)
    not here  zfs          ZFS is not on this host (no zfs module loaded)
    cannot    process      permission denied: /proc/7/status
                           to do: run as root: ...

The table of collectors (collectors.py) names the words and the remedy of each source. Where the answers of other
sources say more (a user's podman that is not asked), the finding is amended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from exporter.config import Config
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.host import SELINUX_ENFORCE, Firewall, Host
from exporter.facts.network import NamespaceTraffic
from exporter.facts.process import ProcessTable
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.reading import Absent, Failed, Read, Reading, fresh
from exporter.facts.storage import Dataset, Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume

T = TypeVar("T")
_MOST_HINTS = 3


class State(StrEnum):
    """How a source is doing."""

    OK = "ok"
    NOT_HERE = "not here"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found out about one source."""

    name: str
    state: State
    found: str  # numbers, or why not
    remedy: str = ""  # what to install or grant; "" when there is nothing to do
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked before, and how: a finding on one source may need the answers of others."""

    readings: Mapping[str, Reading[Any]]  # by the collector's name
    config: Config

    def host(self) -> Host | None:
        """The host's own facts."""
        host: Host | None = self._fresh("host")
        return host

    def cgroups(self) -> tuple[ContainerCgroups, ...]:
        """The cgroups of running containers."""
        return self._fresh("cgroup") or ()

    def _fresh(self, name: str) -> Any:
        reading = self.readings.get(name)
        return None if reading is None else fresh(reading)


Words: TypeAlias = Callable[[Any], str]
Amend: TypeAlias = Callable[[Finding, Reading[Any], Answers], Finding]


def finding_of(name: str, reading: Reading[T], words: Callable[[T], str], remedy: str) -> Finding:
    """The finding on a source by its own answer."""
    match reading:
        case Read(value=value, problems=()):
            return Finding(name, State.OK, words(value), duration_seconds=reading.duration_seconds)
        case Read(value=value, problems=problems):  # each problem says itself what to do
            found = f"{words(value)}, but: {'; '.join(problems)}"
            return Finding(name, State.CANNOT, found, duration_seconds=reading.duration_seconds)
        case Absent(reason=reason):
            return Finding(name, State.NOT_HERE, reason, duration_seconds=reading.duration_seconds)
        case Failed(reason=reason):
            return Finding(name, State.CANNOT, reason, remedy, reading.duration_seconds)


def as_it_is(finding: Finding, _reading: Reading[Any], _answers: Answers) -> Finding:
    """No other source has anything to add."""
    return finding


def old_hierarchy(finding: Finding, reading: Reading[tuple[ContainerCgroups, ...]], answers: Answers) -> Finding:
    """A host that still boots with cgroup v1 is named as such, with the way out."""
    host = answers.host()
    if isinstance(reading, Read) or host is None or host.cgroup_version != 1:
        return finding
    found = f"{reading.reason}; until then memory, limits and OOM kills of containers cannot be read"
    boot = "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line and boot; the rest is served"
    return replace(finding, state=State.CANNOT, found=found, remedy=boot)


def podmans_not_asked(finding: Finding, reading: Reading[tuple[Container, ...]], answers: Answers) -> Finding:
    """A podman that is not there although containers run, and the podmans of users that nobody asks."""
    running = answers.cgroups()
    if isinstance(reading, Absent) and running:
        found = f"{reading.reason}, yet the cgroup tree shows {_count(len(running), 'running container')}"
        remedy = "systemctl enable --now podman.socket, and run as root"
        return replace(finding, state=State.CANNOT, found=found, remedy=remedy)
    hints = [
        f"; podman of {user} is not asked: --podman-socket {user}=/run/user/{uid}/podman/podman.sock"
        for uid, user in _rootless_users(running, answers.host())
        if user not in {socket.user for socket in answers.config.podman_sockets}
    ]
    return replace(finding, found=finding.found + "".join(hints[:_MOST_HINTS]))


def processes_refused(finding: Finding, reading: Reading[ProcessTable], _answers: Answers) -> Finding:
    """Processes that may not be read: how many, and the first of them."""
    table = fresh(reading)
    refused = [line for one in table.containers for line in one.unreadable] if table else []
    if not refused:
        return finding
    found = f"{finding.found}; {_count(len(refused), 'process', 'processes')} cannot be read, the first: {refused[0]}"
    remedy = "run as root: /proc of other accounts' processes needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    return replace(finding, state=State.CANNOT, found=found, remedy=remedy)


def _rootless_users(running: tuple[ContainerCgroups, ...], host: Host | None) -> list[tuple[int, str]]:
    names = {uid: name for name, uid in host.account_uids} if host else {}
    uids = {container.owner_uid for container in running if container.owner_uid}
    return [(uid, names.get(uid, str(uid))) for uid in sorted(uids)]


def host_words(host: Host) -> str:
    """Its kernel and its security modules."""
    cgroup = f"cgroup v{host.cgroup_version}" if host.cgroup_version else "no cgroup mount"
    without = "SELinux not readable" if SELINUX_ENFORCE in host.unreadable else "no SELinux"
    access = f"SELinux {host.selinux_mode}" if host.selinux_mode else without
    if host.apparmor_enabled:
        access += ", AppArmor"
    return f"Linux {host.kernel}, {cgroup}, {access}, {_count(len(host.subuids), 'range')} in /etc/subuid"


def cgroup_words(containers: tuple[ContainerCgroups, ...]) -> str:
    """Running containers and their cgroups."""
    rootless = sum(1 for container in containers if container.owner_uid)
    levels = sum(len(container.levels) for container in containers)
    of_users = f", {rootless} of other users" if rootless else ""
    return f"{_count(len(containers), 'running container')}{of_users}, {_count(levels, 'cgroup')} read"


def podman_words(containers: tuple[Container, ...]) -> str:
    """Containers, by state and by user."""
    running = sum(1 for container in containers if container.state == "running")
    of_users = len({container.user for container in containers if container.user})
    users = f", of root and {_count(of_users, 'other user')}" if of_users else ""
    return f"{_count(len(containers), 'container')}, {running} running{users}"


def process_words(table: ProcessTable) -> str:
    """Processes by container."""
    processes = sum(len(container.processes) for container in table.containers)
    return f"{_count(processes, 'process', 'processes')} of {_count(len(table.containers), 'container')}"


def quadlet_words(quadlets: tuple[Quadlet, ...]) -> str:
    """Quadlets of containers."""
    wanted = sum(1 for quadlet in quadlets if quadlet.wanted)
    return f"{_count(len(quadlets), 'quadlet')}, {wanted} wanted at boot"


def unmade_words(unmade: tuple[UnmadeQuadlet, ...]) -> str:
    """Files of quadlets that have no unit."""
    if not unmade:
        return "every .container file of root's has its unit"
    return f"{_count(len(unmade), '.container file')} without a unit, the first: {unmade[0].path}: {unmade[0].reason}"


def systemd_words(units: tuple[Unit, ...]) -> str:
    """Units and slices of containers."""
    slices = sum(1 for unit in units if unit.name.endswith(".slice"))
    return f"{_count(len(units) - slices, 'unit')} and {_count(slices, 'slice')} of containers"


def zfs_words(storage: Storage) -> str:
    """Datasets and pools."""
    with_quota = sum(1 for dataset in storage.datasets if dataset.quota_bytes or dataset.refquota_bytes)
    return (
        f"{_count(len(storage.datasets), 'dataset')} in {_count(len(storage.pools), 'pool')}, {with_quota} with a quota"
    )


def mounted_words(datasets: tuple[Dataset, ...]) -> str:
    """Datasets that containers mount."""
    return f"{_count(len(datasets), 'dataset')} mounted by containers"


def volume_words(volumes: tuple[Volume, ...]) -> str:
    """Volumes that containers mount."""
    return f"{_count(len(volumes), 'volume')} of {_count(len({one.container_id for one in volumes}), 'container')}"


def traffic_words(traffic: tuple[NamespaceTraffic, ...]) -> str:
    """Interfaces and network namespaces."""
    interfaces = sum(len(one.interfaces) for one in traffic)
    return f"{_count(interfaces, 'interface')} in {_count(len(traffic), 'network namespace')}"


def firewall_words(firewall: Firewall) -> str:
    """Chains at the input hook."""
    denying = sum(1 for chain in firewall.inputs if chain.denies)
    return f"{_count(len(firewall.inputs), 'chain')} at the input hook, {denying} of them denying by default"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
