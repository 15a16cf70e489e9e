"""What systemd says of the units that run containers, and what quadlets promise.

org.freedesktop.systemd1(5): properties of Unit and Service; systemd.unit(5).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """One service or slice. None: not set, or infinite."""

    name: str
    load_state: str  # LoadState: loaded, not-found, masked
    active_state: str  # ActiveState: active, reloading, inactive, failed, activating, deactivating
    sub_state: str  # SubState: running, auto-restart, dead
    slice: str = ""  # Slice
    restarts: int | None = None  # NRestarts; back to 0 on a manual start
    result: str = ""  # Result: success, exit-code, signal, oom-kill, start-limit-hit, ...
    restart_policy: str = ""  # Restart
    restart_delay_seconds: float | None = None  # RestartUSec
    memory_accounting: bool | None = None  # MemoryAccounting
    cpu_accounting: bool | None = None  # CPUAccounting
    memory_max_bytes: int | None = None  # MemoryMax
    memory_high_bytes: int | None = None  # MemoryHigh
    memory_swap_max_bytes: int | None = None  # MemorySwapMax
    cpu_quota_cores: float | None = None  # CPUQuotaPerSecUSec
    tasks_max: int | None = None  # TasksMax


@dataclass(frozen=True, slots=True)
class Quadlet:
    """One container unit that quadlet generated."""

    unit: str  # web.service
    container: str  # --name of its ExecStart
    source_path: str  # SourcePath: the .container file
    wanted: bool  # a .wants, .requires or .upholds link asks for it, or for what pulls it in (its pod)
