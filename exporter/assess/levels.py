"""Whose SELinux label is whose: podman gives each container a pair of MCS categories of its own, a pod one for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.assess.inventory import Resident
from exporter.facts.selinux import parse_context


def names_by_level(everyone: Iterable[Resident]) -> Mapping[str, str]:
    """The container of each level, asked for or in force; "" where several have one."""
    names: dict[str, str] = {}
    for one in everyone:
        labels = {one.container.security.selinux_process_label or ""} if one.container else set()
        labels |= {process.security_label or "" for process in (one.processes.processes[:1] if one.processes else ())}
        for level in filter(None, (parse_context(label).level for label in labels)):
            names[level] = one.name if names.get(level, one.name) == one.name else ""
    return names
