"""Asks every source once and says of each: ok, not here, or cannot be read, and then what to install or grant.

    ok        podman       7 containers, 6 running (0.31 s)
    not here  zfs          ZFS is not on this host (no zfs module loaded)
    cannot    listen       cannot listen on :9946: the address is in use; ...
                           to do: end what listens there, or choose another with --listen

The sources are built as the agent builds them, so what the doctor sees is what the agent would see.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar

from exporter import __version__
from exporter.app.agent import ZFS_DEADLINES, Sources
from exporter.config import Config, listen_address
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.host import Firewall, Host
from exporter.facts.network import NamespaceTraffic
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Absent, Failed, Read, Reading, SourceError, fresh
from exporter.facts.storage import Dataset, Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume
from exporter.http import ServeError, Server
from exporter.present.untrusted import printable
from exporter.runtime.poller import no_problems, start_reading

T = TypeVar("T")

DEADLINE_SECONDS = 30.0
_DOCUMENT_VERSION = 1
_MOST_HINTS = 3


class State(StrEnum):
    """How a source is doing."""

    OK = "ok"
    NOT_HERE = "not here"
    CANNOT = "cannot"


_COLOURS = {State.OK: 32, State.NOT_HERE: 33, State.CANNOT: 31}  # green, yellow, red


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found out about one source."""

    name: str
    state: State
    found: str  # numbers, or why not
    remedy: str = ""  # what to install or grant; "" when there is nothing to do
    duration_seconds: float | None = None


def examine(sources: Sources, config: Config, deadline_seconds: float = DEADLINE_SECONDS) -> Iterator[Finding]:
    """One finding a source, as each is found; in the order in which one needs the other."""

    def ask(read: Callable[[], T], problems: Callable[[], tuple[str, ...]] = no_problems) -> Reading[T]:
        return start_reading(deadline_seconds, read, problems)()

    host = ask(sources.host.read)
    yield _finding("host", host, _host_words, "mount /proc and /sys, and let this process read them")

    def walk_and_read() -> tuple[ContainerCgroups, ...]:
        sources.cgroup.discover()
        return sources.cgroup.read()

    cgroup = ask(walk_and_read)
    sources.interest.cgroup_paths = sources.cgroup.paths
    yield _cgroup_finding(cgroup, fresh(host))

    podman = ask(sources.podman.read, lambda: sources.podman.problems)
    sources.interest.containers = lambda: fresh(podman) or ()
    yield _podman_finding(podman, fresh(cgroup) or (), fresh(host), config)

    process = ask(sources.process.read)
    sources.interest.processes = lambda: fresh(process)
    yield _process_finding(process)

    quadlet = ask(sources.quadlet.read, lambda: sources.quadlet.problems)
    sources.interest.quadlets = lambda: fresh(quadlet) or ()
    yield _finding("quadlet", quadlet, _quadlet_words, "run as root")

    systemd = ask(sources.systemd.read)
    yield _finding(
        "systemd", systemd, _systemd_words, "install dbus, and let this process reach /run/dbus/system_bus_socket"
    )

    zfs = start_reading(ZFS_DEADLINES * deadline_seconds, sources.zfs.read, lambda: sources.zfs.problems)()
    yield _finding("zfs", zfs, _zfs_words, "install zfsutils-linux, and let this process use /dev/zfs")
    zfs_mounted = ask(sources.zfs_mounted.read, lambda: sources.zfs_mounted.problems)
    yield _finding("zfs_mounted", zfs_mounted, _mounted_words, "install python3-pyzfs, or zfsutils-linux at least")

    volume = ask(sources.volume.read, lambda: sources.volume.problems)
    yield _finding("volume", volume, _volume_words, "run as root: /proc/PID/root needs CAP_SYS_PTRACE")

    firewall = ask(sources.firewall.read)
    yield _finding("firewall", firewall, _firewall_words, "run as root: nft needs CAP_NET_ADMIN")

    traffic = ask(sources.traffic.read, lambda: sources.traffic.problems)
    yield _finding("traffic", traffic, _traffic_words, "run as root: /proc/PID/net of other accounts needs it")

    yield state_directory_finding(config.state_dir)
    yield listen_finding(config.listen)


def has_containers(sources: Sources, config: Config) -> bool:
    """Whether this host is worth serving: a podman socket, or a running container whoever started it."""
    for podman in config.podman_sockets:
        try:
            Path(podman.url.removeprefix("unix://")).stat()
        except PermissionError:
            return True  # something is hidden there: the doctor's and the log's words on it help more than an example
        except OSError:
            continue
        return True
    try:
        sources.cgroup.discover()
        return bool(sources.cgroup.read())
    except SourceError:
        return False


def state_directory_finding(path: Path) -> Finding:
    """Whether the agent can keep its durable counts there."""
    name = "state_dir"
    grant = f"make it, writable for the account that runs the agent: install -d -m 0700 {path}"
    try:
        nearest = next(one for one in (path, *path.parents) if one.exists())
        is_directory = nearest.is_dir()
    except OSError as error:  # a directory above it that this account may not search
        return Finding(name, State.CANNOT, f"{path}: {error.strerror}", grant)
    if not is_directory:
        choose = "move it away, or choose another directory with --state-dir"
        return Finding(name, State.CANNOT, f"{nearest} is no directory", choose)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(name, State.CANNOT, f"{nearest} cannot be written by this account", grant)
    return Finding(name, State.OK, f"{path} can be written" if nearest == path else f"{path} can be made")


def listen_finding(listen: str) -> Finding:
    """Whether the agent could listen there, or does so already. The port is given back at once."""
    try:
        Server(listen, report=_no_report, ready=lambda: False).close()
    except ServeError as error:
        if _bulkhead_answers(listen):
            return Finding("listen", State.OK, f"Bulkhead serves on {listen} already")
        return Finding("listen", State.CANNOT, str(error), "end what listens there, or choose another with --listen")
    return Finding("listen", State.OK, f"{listen} is free")


def _no_report() -> NoReturn:
    raise AssertionError("nobody is answered")  # pragma: no cover


def _bulkhead_answers(listen: str) -> bool:
    host, port = listen_address(listen)
    try:
        with contextlib.closing(http.client.HTTPConnection(host or "localhost", port, timeout=1)) as connection:
            connection.request("GET", "/-/healthy")
            return connection.getresponse().read(100) == b"healthy\n"
    except (OSError, http.client.HTTPException):
        return False


def opening(config: Config) -> str:
    """What is asked, as whom, with which settings: the line above the findings."""
    settings = f"settings of {config.read_from}" if config.read_from else "default settings"
    who = (
        "root" if os.geteuid() == 0 else f"uid {os.geteuid()}, not root: run it with sudo to see what the service sees"
    )
    return f"Bulkhead {__version__}, {settings}, as {who}"


def as_line(finding: Finding, *, colours: bool) -> str:
    """One finding as people read it; the remedy, if there is one, on a line of its own."""
    took = f" ({finding.duration_seconds:.2f} s)" if finding.duration_seconds is not None else ""
    state = f"{finding.state:<8}"
    if colours:
        state = f"\033[{_COLOURS[finding.state]}m{state}\033[0m"
    line = f"{state}  {finding.name:<11}  {printable(finding.found)}{took}"
    if finding.remedy and finding.state is State.CANNOT:
        line += f"\n{'':<23}to do: {printable(finding.remedy)}"
    return line


def as_document(findings: Iterable[Finding], config: Config) -> str:
    """All findings as JSON."""
    document = {
        "version": _DOCUMENT_VERSION,
        "product_version": __version__,
        "config": str(config.read_from) if config.read_from else None,
        "uid": os.geteuid(),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=2)


def _finding(name: str, reading: Reading[T], words: Callable[[T], str], remedy: str) -> Finding:
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


def _cgroup_finding(reading: Reading[tuple[ContainerCgroups, ...]], host: Host | None) -> Finding:
    remedy = "run as root, on the host itself and not in a container"
    if not isinstance(reading, Read) and host is not None and host.cgroup_version == 1:
        found = f"{reading.reason}; until then memory, limits and OOM kills of containers cannot be read"
        boot = "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line and boot; the rest is served"
        return Finding("cgroup", State.CANNOT, found, boot, reading.duration_seconds)
    return _finding("cgroup", reading, _cgroup_words, remedy)


def _podman_finding(
    reading: Reading[tuple[Container, ...]], in_tree: tuple[ContainerCgroups, ...], host: Host | None, config: Config
) -> Finding:
    remedy = "systemctl enable --now podman.socket, and run as root"
    if isinstance(reading, Absent) and in_tree:
        found = f"{reading.reason}, yet the cgroup tree shows {_count(len(in_tree), 'running container')}"
        return Finding("podman", State.CANNOT, found, remedy, reading.duration_seconds)
    finding = _finding("podman", reading, _podman_words, remedy)
    hints = [
        f"; podman of {user} is not asked: --podman-socket {user}=/run/user/{uid}/podman/podman.sock"
        for uid, user in _rootless_users(in_tree, host)
        if user not in {socket.user for socket in config.podman_sockets}
    ]
    return replace(finding, found=finding.found + "".join(hints[:_MOST_HINTS]))


def _rootless_users(in_tree: tuple[ContainerCgroups, ...], host: Host | None) -> list[tuple[int, str]]:
    names = {uid: name for name, uid in host.account_uids} if host else {}
    uids = {container.owner_uid for container in in_tree if container.owner_uid}
    return [(uid, names.get(uid, str(uid))) for uid in sorted(uids)]


def _process_finding(reading: Reading[ProcessTable]) -> Finding:
    remedy = "run as root: /proc of other accounts' processes needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    finding = _finding("process", reading, _process_words, remedy)
    table = fresh(reading)
    refused = [line for one in table.containers for line in one.unreadable] if table else []
    if not refused:
        return finding
    found = f"{finding.found}; {_count(len(refused), 'process', 'processes')} cannot be read, the first: {refused[0]}"
    return Finding(finding.name, State.CANNOT, found, remedy, finding.duration_seconds)


def _host_words(host: Host) -> str:
    cgroup = f"cgroup v{host.cgroup_version}" if host.cgroup_version else "no cgroup mount"
    access = f"SELinux {host.selinux_mode}" if host.selinux_mode else "no SELinux"
    if host.apparmor_enabled:
        access += ", AppArmor"
    return f"Linux {host.kernel}, {cgroup}, {access}, {_count(len(host.subuids), 'range')} in /etc/subuid"


def _cgroup_words(containers: tuple[ContainerCgroups, ...]) -> str:
    rootless = sum(1 for container in containers if container.owner_uid)
    levels = sum(len(container.levels) for container in containers)
    of_users = f", {rootless} of other users" if rootless else ""
    return f"{_count(len(containers), 'running container')}{of_users}, {_count(levels, 'cgroup')} read"


def _podman_words(containers: tuple[Container, ...]) -> str:
    running = sum(1 for container in containers if container.state == "running")
    of_users = len({container.user for container in containers if container.user})
    users = f", of root and {_count(of_users, 'other user')}" if of_users else ""
    return f"{_count(len(containers), 'container')}, {running} running{users}"


def _process_words(table: ProcessTable) -> str:
    processes = sum(len(container.processes) for container in table.containers)
    return f"{_count(processes, 'process', 'processes')} of {_count(len(table.containers), 'container')}"


def _quadlet_words(quadlets: tuple[Quadlet, ...]) -> str:
    wanted = sum(1 for quadlet in quadlets if quadlet.wanted)
    return f"{_count(len(quadlets), 'quadlet')}, {wanted} wanted at boot"


def _systemd_words(units: tuple[Unit, ...]) -> str:
    slices = sum(1 for unit in units if unit.name.endswith(".slice"))
    return f"{_count(len(units) - slices, 'unit')} and {_count(slices, 'slice')} of containers"


def _zfs_words(storage: Storage) -> str:
    with_quota = sum(1 for dataset in storage.datasets if dataset.quota_bytes or dataset.refquota_bytes)
    return (
        f"{_count(len(storage.datasets), 'dataset')} in {_count(len(storage.pools), 'pool')}, {with_quota} with a quota"
    )


def _mounted_words(datasets: tuple[Dataset, ...]) -> str:
    return f"{_count(len(datasets), 'dataset')} mounted by containers"


def _volume_words(volumes: tuple[Volume, ...]) -> str:
    return f"{_count(len(volumes), 'volume')} of {_count(len({one.container_id for one in volumes}), 'container')}"


def _traffic_words(traffic: tuple[NamespaceTraffic, ...]) -> str:
    interfaces = sum(len(one.interfaces) for one in traffic)
    return f"{_count(interfaces, 'interface')} in {_count(len(traffic), 'network namespace')}"


def _firewall_words(firewall: Firewall) -> str:
    denying = sum(1 for chain in firewall.inputs if chain.denies)
    return f"{_count(len(firewall.inputs), 'chain')} at the input hook, {denying} of them denying by default"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
