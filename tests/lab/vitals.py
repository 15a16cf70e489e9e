"""How the guest is, for whoever reads a failed run later: what it does, or where its kernel stands if it is silent."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from tests.lab.machine import LabError, Machine

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
echo; echo "last of the agent:"; journalctl -u bulkhead -n 12 --no-pager -o short-monotonic | cut -c-400
"""
# 9: all messages on the console; w: tasks that are blocked; l: what each processor does; m: memory.
SYSRQ = "9wlm"


def vitals(lab: Machine) -> str:
    """The emulator's and the guest's state as text; takes up to two minutes for a guest that does not answer."""
    pid = lab.pid
    told = [f"load of the machine that emulates: {Path('/proc/loadavg').read_text().strip()}"]
    if pid is None:
        return "\n".join([*told, "the emulator has ended:", *_tail(lab.directory / "qemu.log"), *_tail(lab.serial_log)])
    told.append(f"the emulator uses {_processors(pid):.2f} processors")
    try:
        told += lab.ssh(LOOK, timeout_seconds=ANSWER_SECONDS, check=False).splitlines()
    except LabError as problem:
        told.append(f"the guest is silent ({problem}); its kernel was asked where it stands")
        _ask_kernel(lab)
    return "\n".join([*told, "console:", *_tail(lab.serial_log)])


def _processors(pid: int, seconds: float = 2) -> float:
    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds


def _ask_kernel(lab: Machine) -> None:
    """Press the keys that have the kernel write to its console; see Documentation/admin-guide/sysrq.rst."""
    try:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(str(lab.monitor))
            for key in SYSRQ:
                monitor.sendall(f"sendkey alt-sysrq-{key}\n".encode())
                time.sleep(3)
    except OSError as problem:
        print(f"the emulator does not answer either: {problem}")


def _tail(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as problem:
        return [str(problem)]
    # Of a kernel that was asked, all it said is wanted.
    asked = next((number for number, line in enumerate(lines) if "sysrq: " in line), len(lines))
    return lines[min(asked, max(0, len(lines) - LINES)) :][:400]
