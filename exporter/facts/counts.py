"""What the ledger has counted: totals that outlive containers, cgroups, podman and this agent."""

from __future__ import annotations

from dataclasses import dataclass

OOM_LIMITS = ("payload", "service", "slice", "ancestor", "host", "systemd_oomd", "unknown")
"""Whose limit an OOM kill was for."""

EXIT_REASONS = ("success", "error", "signal", "oom", "timeout", "watchdog", "health", "stopped", "unknown")
"""Why a container ended."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one container, by its name, since it is known."""

    name: str
    oom_kills: int = 0
    oom_kills_by_limit: tuple[tuple[str, int], ...] = ()  # payload, service, slice, ancestor, host, systemd_oomd, ...
    last_oom_kill_seconds: float | None = None  # unix time
    restarts: int = 0
    recent_restarts_us: tuple[int, ...] = ()  # CLOCK_MONOTONIC of this boot, the latest 64
    starts: int = 0
    exits: tuple[tuple[str, int], ...] = ()  # by reason
    last_exit_code: int | None = None
    last_exit_seconds: float | None = None  # unix time
    avc_denials: int = 0  # SELinux


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the whole host."""

    taken_at_us: int  # CLOCK_MONOTONIC
    containers: tuple[Counts, ...]  # by name; also of those that are gone, until they are forgotten
    host_oom_kills: int | None = None  # /proc/vmstat oom_kill, summed over boots; None: not readable
    unattributed_oom_kills: int = 0
    unattributed_denials: int = 0  # SELinux, of a container's domain
    forgotten_containers: int = 0  # dropped because there were too many, or after a long absence
    durable: bool = True  # False: the state directory cannot be written, totals live in memory
    problem: str = ""  # why not, one sentence
    writes: int = 0  # transactions since the start
    salvaged: str = ""  # what became of a ledger that was damaged, one sentence; "": it never was
    salvaged_seconds: float | None = None  # unix time of the start that found it so
