"""What the path of a cgroup in which a process was killed tells.

/services.slice/services-web.slice/web.service/libpod-payload-1856.../init.scope
home: /services.slice/services-web.slice, container: 1856...
"""

from __future__ import annotations

from collections.abc import Collection

from exporter.facts.cgroup import container_id_of, slice_of, unit_of


def container_in(path: str) -> str | None:
    """The id of the container whose cgroup this is or lies above it; None if there is none."""
    for part in path.split("/"):
        if (found := container_id_of(part)) is not None:
            return found
    return None


def limit_that_fired(limit_cgroup: str, victim_cgroup: str) -> str:
    """Whose limit it was, as the victim's container sees it: payload, service, slice, ancestor or host."""
    if not limit_cgroup:
        return "host"
    parts = limit_cgroup.split("/")
    inside = next((index for index, part in enumerate(parts) if container_id_of(part)), None)
    if inside is not None:
        scope_itself = parts[-1].endswith(".scope") and victim_cgroup.startswith(f"{limit_cgroup}/")
        return "service" if scope_itself else "payload"
    name = parts[-1]
    if name == unit_of(victim_cgroup) and not name.startswith("user@"):
        return "service"
    return "slice" if name == slice_of(victim_cgroup) else "ancestor"


def home_of(path: str) -> str:
    """The slice right above a cgroup, a container's included; "" if it is in none. A container may hold slices, too."""
    home = above = ""
    for part in path.split("/")[1:-1]:
        if container_id_of(part) is not None:
            break
        above = f"{above}/{part}"
        home = above if part.endswith(".slice") else home
    return home


def nearest(paths: Collection[str], path: str) -> str | None:
    """The deepest of `paths` above the path."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in paths:
            return path
    return None


def is_below(path: str, above: str) -> bool:
    """Whether the cgroup `path` lies in the cgroup `above`."""
    return path.startswith(f"{above}/")
