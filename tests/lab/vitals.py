"""How the guest is, for whoever reads a failed run later: what it does, or where its kernel stands if it is silent."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tests.lab.engine import LabError
from tests.lab.machine import Machine

LINES = 40
ANSWER_SECONDS = 60
LOOK = """
uptime; grep -H . /proc/pressure/*; free -m
ps -eo pcpu,rss,etimes,stat,wchan:20,args --sort=-pcpu | head -12 | cut -c-160
echo "containers, the youngest last:"
podman ps -a --sort created --format '{{.Names}} {{.Status}} {{.CreatedAt}}' | tail -8 | cut -c-120
echo "restarted by systemd:"
systemctl show -p Id,NRestarts '*.service' | sed '/^NRestarts/h; /^Id/{G; s/\\n/ /; /NRestarts=[1-9]/!d; p}; d'
systemctl list-jobs --no-pager | head -12; systemctl --failed --no-pager --plain --no-legend | head
echo; echo "last of the agent:"; journalctl -u 'bulkhead*' -n 12 --no-pager -o short-monotonic | cut -c-400
"""
# 9: all messages on the console; w: tasks that are blocked; l: what each processor does; m: memory.
SYSRQ = "9wlm"


def vitals(lab: Machine) -> str:
    """The state of the guest and of its process as text; takes up to two minutes for a guest that does not answer."""
    pid = lab.pid
    told = [f"load of the machine that runs it: {Path('/proc/loadavg').read_text().strip()}"]
    if pid is None:
        logs = [*_tail(lab.directory / "engine.log"), *_tail(lab.serial_log)]
        return "\n".join([*told, "the guest's process has ended:", *logs])
    told.append(f"the guest uses {_processors(pid):.2f} processors")
    try:
        told += lab.ssh(LOOK, timeout_seconds=ANSWER_SECONDS, check=False).splitlines()
    except LabError as problem:
        told.append(f"the guest is silent ({problem}); its kernel was asked where it stands")
        _ask_kernel(lab)
    return "\n".join([*told, "console:", *_tail(lab.serial_log)])


def _processors(pid: int, seconds: float = 2) -> float:
    def ticks() -> int:
        """Of all processes of its session, which is what one guest consists of."""
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12]) if fields[3] == str(pid) else 0
        return total

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def _ask_kernel(lab: Machine) -> None:
    """Have the kernel write to its console where it stands."""
    try:
        lab.engine.press_sysrq(lab.directory, SYSRQ)
        time.sleep(3)
    except (OSError, LabError) as problem:
        print(f"the guest's kernel does not answer either: {problem}")


def _tail(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as problem:
        return [str(problem)]
    # Of a kernel that was asked, all it said is wanted.
    asked = next((number for number, line in enumerate(lines) if "sysrq: " in line), len(lines))
    return lines[min(asked, max(0, len(lines) - LINES)) :][:400]
