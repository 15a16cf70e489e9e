"""Whether what runs in a container's cgroup is still the runtime that sets the container up.

crun clones itself into the new cgroup; the clone makes namespaces and mounts, sets capabilities, label and seccomp
filter, waits for `podman start`, and only then executes the payload. Until that execve(2) the kernel marks the clone as
forked and never executed (PF_FORKNOEXEC). runc's first process in the cgroup has executed runc itself, in the host's
mount namespace, and is replaced by a clone that has not executed.

Neither sign rests on a name, a path or a file, which are the container's to choose. The payload's first process has
executed, and lives as long as the container: neither `podman exec`, whose process begins as a clone of the runtime
too (sources/process/entering.py), nor a fork that executes nothing makes the container the runtime's again. Payloads
that the runtime runs without execve (WebAssembly, a restored checkpoint) look like the runtime for ever: whoever asks
bounds the time for which that counts, from the start of the oldest process, which no process can move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from exporter.facts.process import Process


def is_runtimes(
    processes: Sequence[Process], unreadable: Sequence[str], host_namespaces: Iterable[tuple[str, int]]
) -> bool:
    """Whether all processes of a container are the runtime's. What could not be read may be the payload."""
    host = dict(host_namespaces)
    return bool(processes) and not unreadable and all(looks_like_the_runtime(one, host) for one in processes)


def looks_like_the_runtime(process: Process, host_namespaces: Mapping[str, int]) -> bool:
    """Whether a process has executed nothing yet, or is in the host's mount namespace."""
    mounts = dict(process.namespaces).get("mnt")
    return not process.has_executed or (mounts is not None and mounts == host_namespaces.get("mnt"))
