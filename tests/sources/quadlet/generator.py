"""What quadlet's own generator makes of files: `podman-system-generator --dryrun`, and what ours makes of the same."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.facts.quadlet_file import Origin
from exporter.sources.quadlet.command import run_words
from exporter.sources.quadlet.files import units_of
from exporter.sources.quadlet.flags import Flags, parse_flags
from exporter.sources.quadlet.tree import read_tree
from exporter.sources.quadlet.words import argument_words

FILES = Path(__file__).with_name("files")
RECORDED = Path(__file__).with_name("generated.txt")
"""`QUADLET_UNIT_DIRS=/quadlets quadlet -dryrun` of podman 5.4.2 on FILES."""

READ_BY_CHECKS = frozenset(
    {
        *("--cap-add", "--cap-drop", "--cgroup-conf", "--cgroupns", "--cgroups", "--cpu-period", "--cpu-quota"),
        *("--cpus", "--device", "--gidmap", "--ip", "--ip6", "--ipc", "--memory", "--memory-swap", "--mount"),
        *("--name", "--network", "--pid", "--pids-limit", "--pod-id-file", "--privileged", "--read-only"),
        *("--restart", "--rm", "--security-opt", "--subgidname", "--subuidname", "--tmpfs", "--uidmap", "--userns"),
        *("--uts", "--volume"),
    }
)
Comparable = list[tuple[str, str]]


def generated(dry_run: str) -> dict[str, Comparable]:
    """By unit: the flags of the generator's ExecStart, of the containers alone."""
    found = {}
    for name, body in re.findall(r"^---(.*?)---\n(.*?)(?=^---|\Z)", dry_run, re.DOTALL | re.MULTILINE):
        started = re.search(r"^ExecStart=\S+ run (.*)$", body, re.MULTILINE)
        if started:
            flags = parse_flags(tuple((word, Origin(name, 1)) for word in argument_words(started[1])))
            found[name] = comparable(flags)
    return found


def ours(directory: Path) -> dict[str, Comparable]:
    """By unit: the flags that we take quadlet to make of the same files."""
    units, _ = units_of(read_tree(directory, deep=True))
    containers = [unit for unit in units.values() if unit.own == "Container"]
    return {f"{unit.service}.service": comparable(parse_flags(run_words(unit, units))) for unit in containers}


def comparable(flags: Flags) -> Comparable:
    """The flags that checks read. Quadlet writes some in the order of a Go map: any."""
    return sorted((flag.name, flag.value) for flag in flags.all if flag.name in READ_BY_CHECKS)
