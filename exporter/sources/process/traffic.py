"""What goes through the interfaces of containers, a network namespace at a time.

/proc/PID/net/dev, opened, read and closed. It must not be kept open as the cgroups' files are: an open file below
/proc/PID/net holds its network namespace (fs/proc/proc_net.c, seq_open_net), so a watcher would keep the namespaces
of ended containers alive. Hence a clock of its own, and no reading in a scrape.

Containers of one pod share a namespace: it is read once, through the first of them that still lives. The host's own
namespace is no container's and is left out; so is one that cannot be told from it.

Looks again: every namespace of the processes that were read last, at each read (`traffic_seconds`); nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from exporter.facts.network import Interface, NamespaceTraffic
from exporter.facts.process import Process, ProcessTable
from exporter.facts.reading import Unreadable, words_of
from exporter.sources.process.directory import Gone, ProcessDirectory
from exporter.sources.process.parse import parse_namespace, parse_start_ticks, parse_traffic

INTERFACES_MAX = 16  # a container that may administer its own network can make any number of interfaces


class TrafficSource:
    """The traffic of the containers in `table`, read below `proc`. One thread at a time reads."""

    def __init__(self, proc: str, table: Callable[[], ProcessTable | None]) -> None:
        self._proc = proc
        self._table = table
        self.problems: tuple[str, ...] = ()
        """What could not be read the last time, a sentence each."""

    def read(self) -> tuple[NamespaceTraffic, ...]:
        """Every network namespace of containers. Raises Unreadable when there are some and none can be read."""
        table = self._table()
        shared: dict[int, list[tuple[str, Process]]] = {}
        for one in table.containers if table else ():
            for process in one.processes[:1]:
                for inode in (inode for kind, inode in process.namespaces if kind == "net"):
                    shared.setdefault(inode, []).append((one.container_id, process))
        if shared:
            shared.pop(self._host_namespace(), None)
        problems: list[str] = []
        found = []
        for lodgers in shared.values():
            interfaces = self._interfaces([process for _, process in lodgers], problems)
            if interfaces is not None:
                ids = tuple(container_id for container_id, _ in lodgers)
                found.append(NamespaceTraffic(ids, interfaces))
        if problems and not found:
            raise Unreadable(problems[0])
        self.problems = tuple(problems[:5])
        return tuple(found)

    def _interfaces(self, processes: list[Process], problems: list[str]) -> tuple[Interface, ...] | None:
        for process in processes:
            try:
                with ProcessDirectory(self._proc, process.pid) as directory:
                    if parse_start_ticks(directory.text("stat")) != process.start_ticks:
                        continue
                    interfaces = parse_traffic(directory.text("net/dev"))
            except Gone:
                continue
            except (OSError, Unreadable) as error:
                problems.append(f"{self._proc}/{process.pid}/net/dev: {words_of(error)}")
                return None
            if len(interfaces) > INTERFACES_MAX:
                problems.append(
                    f"{self._proc}/{process.pid}/net/dev: {len(interfaces)} interfaces, the first {INTERFACES_MAX} are"
                    " shown"
                )
            return interfaces[:INTERFACES_MAX]
        return None

    def _host_namespace(self) -> int:
        """The host's own network namespace: that of process 1, or at least of this one."""
        problem = ""
        for process in ("1", "self"):
            try:
                return parse_namespace(str(Path(self._proc, process, "ns/net").readlink()))
            except OSError as error:
                problem = error.strerror or str(error)
        raise Unreadable(f"{self._proc}/1/ns/net cannot be read ({problem}): run as root")
