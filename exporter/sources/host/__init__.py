"""The host's own walls, read from files and the kernel's clock."""

from exporter.sources.host.parse import (
    parse_accounts,
    parse_groups,
    parse_memory_total_bytes,
    parse_oom_kills,
    parse_subids,
    parse_swap_total_bytes,
    parse_value,
)
from exporter.sources.host.source import SYSCTLS, HostSource

__all__ = [
    "SYSCTLS",
    "HostSource",
    "parse_accounts",
    "parse_groups",
    "parse_memory_total_bytes",
    "parse_oom_kills",
    "parse_subids",
    "parse_swap_total_bytes",
    "parse_value",
]
