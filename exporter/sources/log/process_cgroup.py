"""The cgroup of a process, from /proc/PID/cgroup: cgroups(7).

    0::/services.slice/services-web.slice/web.service/libpod-payload-3f1c

One line for each hierarchy, `number:controllers:path`; that of cgroup v2 has the number 0 and no controllers. The
kernel appends " (deleted)" to the path of a cgroup that was removed while the process is a zombie. It accepts no line
break in the name of a cgroup, so no name can pass for a line.
"""

from __future__ import annotations

from pathlib import Path


def read_cgroup(proc: Path, pid: int) -> str | None:
    """The path of the process' cgroup; None for a process that is gone or is in no hierarchy of cgroup v2."""
    try:
        raw = (proc / str(pid) / "cgroup").read_bytes()
    except OSError:
        return None
    return parse_cgroup(raw)


def parse_cgroup(raw: bytes) -> str | None:
    """The path in the hierarchy of cgroup v2, "/" for its root; None where there is none."""
    for line in raw.decode(errors="replace").split("\n"):
        path = line.removeprefix("0::").removesuffix(" (deleted)")
        if line.startswith("0::") and path.startswith("/"):
            return path
    return None
